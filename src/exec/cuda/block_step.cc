// Text of element-wise steps, folds and copies.
#include "exec/cuda/block_step.h"

#include <algorithm>

#include "base/check.h"
#include "exec/cpu/block_gather.h"
#include "exec/cpu/emit_common.h"
#include "exec/cuda/scalar_text.h"

namespace lamina::cuda {

using Form = cpu::BlockValue::Form;
using cpu::Place;

std::string StepWriter::text(const Dim& dim) {
  const auto n = dim.constant();
  return n ? std::to_string(*n) : cpu::dim_text(dim, sizes_);
}

std::string StepWriter::base(const Place& place) { return cpu::base_text(place, sizes_); }

std::string StepWriter::extent(NodeId id, std::size_t axis) {
  const int cut = plan_.value(id).cuts[axis];
  return cut >= 0 ? fmt::format("e{}", cut) : "(int)" + text(plan_.shape(id)[axis]);
}

// Offsets in shared memory are ints, those in device memory longs.
std::string StepWriter::stride(const Place& place, const Dim& stride) {
  return place.scratch ? text(stride) : cpu::dim_text(stride, sizes_);
}

// The element at i0, i1, ... of the domain.
std::string StepWriter::element(const Place& place, const Dims& strides) {
  std::string out = base(place);
  for (std::size_t a = 0; a < strides.size(); ++a) {
    if (strides[a] == Dim(0)) continue;
    out += strides[a] == Dim(1) ? fmt::format(" + i{}", a)
                                : fmt::format(" + {} * i{}", stride(place, strides[a]), a);
  }
  return out;
}

// Declares the indices of `axes` from the position `from` among them; those left out are 0.
std::string StepWriter::split(const std::vector<std::size_t>& axes, NodeId domain,
                              const std::string& from) {
  if (axes.empty()) return "";
  std::string out;
  std::string rest = from;
  for (std::size_t k = axes.size(); k-- > 1;) {
    const std::string length = extent(domain, axes[k]);
    out +=
        fmt::format("const int i{0} = {1} % {2}, above{0} = {1} / {2};\n", axes[k], rest, length);
    rest = fmt::format("above{}", axes[k]);
  }
  return out + fmt::format("const int i{} = {};\n", axes[0], rest);
}

std::string StepWriter::count(const std::vector<std::size_t>& axes, NodeId domain) {
  std::string out;
  for (const std::size_t axis : axes) {
    out += (out.empty() ? "" : " * ") + extent(domain, axis);
  }
  return out.empty() ? "1" : out;
}

std::string StepWriter::counter(const Numbers& numbers, NodeId id) {
  const cpu::BlockValue& value = plan_.value(id);
  std::string out = literal_text(value.start);
  if (value.size != Dim(0)) out += " + (double)" + cpu::dim_text(value.size, sizes_);
  if (value.form != Form::kCounter) return fmt::format("({})({})", numbers.type, out);
  const std::size_t skip = plan_.shape(numbers.domain).size() - plan_.shape(id).size();
  const auto axis = static_cast<std::size_t>(value.counter_axis);
  if (plan_.shape(id)[axis] != Dim(1)) {
    out += fmt::format(" + {} * (double)i{}", literal_text(value.step), skip + axis);
  }
  return fmt::format("({})({})", numbers.type, out);
}

// An element of the slice that the index at the element in hand names; 0 where it names none.
std::string StepWriter::gathered(Numbers& numbers, NodeId id) {
  const Node& node = plan_.node(id);
  const cpu::GatherAxes axes = cpu::gather_axes(plan_.graph, node);
  const NodeId table = node.inputs[0].node, indices = node.inputs[1].node;
  const Place &from = plan_.value(table).place, &at = plan_.value(indices).place;
  const std::size_t rank = plan_.shape(numbers.domain).size();
  const std::size_t skip = rank - plan_.shape(id).size();
  Dims slice(rank, Dim(0)), index(rank, Dim(0));
  for (std::size_t a = 0; a < from.strides.size(); ++a) {
    const bool walks = a != axes.axis && plan_.shape(table)[a] != Dim(1);
    if (walks) slice[skip + axes.of_table(a)] = from.strides[a];
  }
  for (std::size_t a = 0; a < axes.indices; ++a) {
    if (plan_.shape(indices)[a] != Dim(1)) index[skip + axes.of_indices(a)] = at.strides[a];
  }
  for (const Place* place : {&from, &at}) {
    if (place->scratch) numbers.reads.insert(place->pointer);
  }
  numbers.body += fmt::format(
      "long x{0} = (long)*({1});\nif (x{0} < 0) x{0} += {2};\n"
      "const bool ok{0} = x{0} >= 0 && x{0} < {2};\n",
      id, element(at, index), extent(table, axes.axis));
  return fmt::format("ok{0} ? lm_load<{1}>({2} + (ok{0} ? x{0} : 0) * {3}) : ({1})0", id,
                     numbers.type, element(from, slice), stride(from, from.strides[axes.axis]));
}

// The name of the value of `id` at the element in hand.
std::string StepWriter::value(Numbers& numbers, NodeId id) {
  const std::string name = fmt::format("v{}", id);
  if (!numbers.done.insert(id).second) return name;
  const Node& node = plan_.node(id);
  const cpu::BlockValue& value = plan_.value(id);
  std::string expression;
  if (value.form == Form::kMemory && id != numbers.computed) {
    const Dims strides =
        cpu::broadcast_place_strides(value.place, plan_.shape(id), plan_.shape(numbers.domain));
    if (value.place.scratch) numbers.reads.insert(value.place.pointer);
    expression = fmt::format("lm_load<{}>({})", numbers.type, element(value.place, strides));
  } else if (value.form == Form::kNumber || value.form == Form::kCounter) {
    expression = counter(numbers, id);
  } else if (cpu::is_gather(node)) {
    expression = gathered(numbers, id);
  } else {
    std::vector<std::string> operands;
    for (const Value& input : node.inputs) operands.push_back(this->value(numbers, input.node));
    expression = scalar_text(node, operands, fmt::format("t{}_", id), numbers.body);
  }
  numbers.body += fmt::format("const {} {} = {};\n", numbers.type, name, expression);
  return name;
}

// Positions and counts are held as doubles, which is exact for them.
bool StepWriter::needs_double(NodeId id) const {
  const DType dtype = plan_.node(id).types[0].dtype;
  const cpu::BlockValue& value = plan_.value(id);
  if (cpu::is_gather(plan_.node(id))) return dtype == DType::kI64 || dtype == DType::kI32;
  if (value.form == Form::kMemory && value.computed && !cpu::is_elementwise(plan_.node(id))) {
    return false;
  }
  if (dtype == DType::kI64 || dtype == DType::kI32) return true;
  if (value.form == Form::kMemory && !value.computed) return false;
  const auto& inputs = plan_.node(id).inputs;
  return std::any_of(inputs.begin(), inputs.end(), [&](const Value& v) {
    const cpu::BlockValue& from = plan_.value(v.node);
    return !(from.form == Form::kMemory && from.computed) && needs_double(v.node);
  });
}

// A step may overwrite what it reads element by element, not what other elements of it read.
void StepWriter::refuse_moved_reads(const Numbers& numbers, const Place& to) const {
  for (const NodeId id : numbers.done) {
    const cpu::BlockValue& value = plan_.value(id);
    const bool same_memory = value.form == Form::kMemory && id != numbers.computed && to.scratch &&
                             value.place.pointer == to.pointer;
    if (!same_memory) continue;
    const bool in_place = plan_.shape(id) == plan_.shape(numbers.domain) &&
                          value.place.strides == to.strides && value.place.offsets.empty();
    if (in_place) continue;
    fail(ErrorCode::kUnsupported, "block: '{}' is overwritten while '{}' reads it in another order",
         plan_.node(to.owner).name, plan_.node(id).name);
  }
}

BlockStep StepWriter::elementwise(NodeId node, const Place& place) {
  const bool is_store = plan_.node(node).op->name == "store";
  const NodeId id = is_store ? plan_.node(node).inputs[0].node : node;
  Numbers numbers{.type = needs_double(id) ? "double" : "float", .domain = id};
  if (!is_store && place.pointer == plan_.value(id).place.pointer) numbers.computed = id;
  const std::string name = value(numbers, id);
  std::vector<std::size_t> axes;
  for (std::size_t a = 0; a < plan_.shape(id).size(); ++a) {
    if (plan_.shape(id)[a] != Dim(1)) axes.push_back(a);
  }
  Dims strides = place.strides;
  for (std::size_t a = 0; a < strides.size(); ++a) {
    if (plan_.shape(id)[a] == Dim(1)) strides[a] = 0;
  }
  refuse_moved_reads(numbers, place);
  BlockStep step;
  step.text = fmt::format("for (int i = thread; i < {}; i += {}) {{\n{}{}lm_store({}, {});\n}}\n",
                          count(axes, id), threads(), split(axes, id, "i"), numbers.body,
                          element(place, strides), name);
  step.reads = numbers.reads;
  if (place.scratch) step.writes.insert(place.pointer);
  return step;
}

struct StepWriter::Fold {
  std::vector<std::size_t> kept;
  std::vector<std::size_t> reduced;
  Dims strides;  // of the result along the axes of the operand
  std::string function;
  std::string divisor;  // of a mean
};

StepWriter::Fold StepWriter::fold_of(NodeId id) {
  const Node& node = plan_.node(id);
  const NodeId domain = node.inputs[0].node;
  const bool mean = node.op->name == "mean";
  std::vector<Type> types;
  const LoopForm form =
      find_op(mean ? "sum" : node.op->name).loop_form(view(plan_.graph, node, types));
  Fold fold;
  fold.strides.assign(plan_.shape(domain).size(), Dim(0));
  for (std::size_t a = 0; a < fold.strides.size(); ++a) {
    const auto& loops = form.operands[0].axes[a].loops;
    const int loop = loops.empty() ? -1 : loops[0].loop;
    const bool kept = loop >= 0 && loop < form.output_rank;
    if (!kept && mean) fold.divisor += (fold.divisor.empty() ? "" : " * ") + extent(domain, a);
    if (plan_.shape(domain)[a] == Dim(1)) continue;
    (kept ? fold.kept : fold.reduced).push_back(a);
    if (kept) fold.strides[a] = plan_.value(id).place.strides[static_cast<std::size_t>(loop)];
  }
  fold.function = monoid_name(mean ? Monoid::kSum : node.op->monoid);
  return fold;
}

// One thread, one warp or all threads for each result, by how many there are and how much each
// takes.
std::string StepWriter::fold_loops(const Fold& fold, Numbers& numbers, NodeId id) {
  const NodeId domain = numbers.domain;
  const std::string name = value(numbers, domain);
  const auto size = [&](const std::vector<std::size_t>& axes) {
    std::int64_t n = 1;
    for (const std::size_t a : axes) n *= plan_.shape(domain)[a].constant().value_or(1 << 20);
    return n;
  };
  const std::int64_t results = size(fold.kept), terms = size(fold.reduced);
  const bool rows_inside =
      !fold.reduced.empty() && (fold.kept.empty() || fold.reduced.back() > fold.kept.back());
  constexpr std::int64_t kWarp = 32;
  std::string first = "thread", step = std::to_string(threads()), inner_first = "0",
              inner_step = "1";
  std::string end, last = "true";
  if (terms >= kWarp && results < tiles_.warps) {
    first = "0", step = "1", inner_first = "thread", inner_step = std::to_string(threads());
    end = fmt::format("a = lm_fold_block<{}, {}>(a, ({}*)memory);\n", fold.function, tiles_.warps,
                      numbers.type);
    last = "thread == 0";
  } else if (terms >= kWarp && (rows_inside || results < kWarp)) {
    first = "warp", step = std::to_string(tiles_.warps), inner_first = "lane", inner_step = "32";
    end = fmt::format("a = lm_fold_warp<{}>(a);\n", fold.function);
    last = "lane == 0";
  }
  const std::string result =
      fold.divisor.empty() ? "a" : fmt::format("a / ({})({})", numbers.type, fold.divisor);
  return fmt::format(
      "for (int o = {0}; o < {1}; o += {2}) {{\n{3}{4} a = {5}::identity<{4}>();\n"
      "for (int r = {6}; r < {7}; r += {8}) {{\n{9}{10}a = {5}::combine(a, {11});\n}}\n"
      "{12}if ({13}) lm_store({14}, {15});\n}}\n",
      first, count(fold.kept, domain), step, split(fold.kept, domain, "o"), numbers.type,
      fold.function, inner_first, count(fold.reduced, domain), inner_step,
      split(fold.reduced, domain, "r"), numbers.body, name, end, last,
      element(plan_.value(id).place, fold.strides), result);
}

BlockStep StepWriter::fold(NodeId node) {
  const NodeId domain = plan_.node(node).inputs[0].node;
  Numbers numbers{.type = needs_double(domain) ? "double" : "float", .domain = domain};
  BlockStep step;
  step.text = fold_loops(fold_of(node), numbers, node);
  step.reads = numbers.reads;
  step.writes.insert(plan_.value(node).place.pointer);
  return step;
}

std::string StepWriter::copy(NodeId load) {
  const StagedLoad& staged = tiles_.staged.at(load);
  const Dims& shape = plan_.shape(load);
  std::vector<std::size_t> axes;
  for (std::size_t a = 0; a < shape.size(); ++a) {
    if (shape[a] != Dim(1)) axes.push_back(a);
  }
  const bool rows = !axes.empty() && staged.copy_bytes > 0 && axes.back() + 1 == shape.size();
  const std::int64_t unit =
      rows ? staged.copy_bytes / element_bytes(staged.from.dtype) : std::int64_t{1};
  Dims from = staged.from.strides, to = staged.to.strides;
  for (std::size_t a = 0; a < shape.size(); ++a) {
    if (shape[a] == Dim(1)) from[a] = to[a] = 0;
  }
  std::vector<std::string> lengths;
  for (const std::size_t a : axes) lengths.push_back(extent(load, a));
  const std::string whole = axes.empty() ? "1" : lengths.back();
  std::string scale;
  if (unit > 1) {
    lengths.back() = fmt::format("(({} + {}) / {})", whole, unit - 1, unit);
    scale = fmt::format(" * {}", unit);
  }
  std::string out, total = "1", rest = "i";
  for (std::size_t k = axes.size(); k-- > 0;) {
    const std::string index = k == 0 ? rest : fmt::format("{} % {}", rest, lengths[k]);
    out += fmt::format("const int i{0} = ({1}){2}, above{0} = {3} / {4};\n", axes[k], index,
                       k + 1 == axes.size() ? scale : "", rest, lengths[k]);
    rest = fmt::format("above{}", axes[k]);
    total = total == "1" ? lengths[k] : lengths[k] + " * " + total;
  }
  const std::string valid = rows ? fmt::format("{} - i{}", whole, axes.back()) : "1";
  return fmt::format(
      "for (int i = thread; i < {}; i += {}) {{\n{}LmCopy<{}>::run({}, {}, {});\n}}\n", total,
      threads(), out, rows ? staged.copy_bytes : 0, element(staged.to, to),
      element(staged.from, from), valid);
}

}  // namespace lamina::cuda
