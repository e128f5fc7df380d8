// Enumerating values of block programs.
#include "search/block_space.h"

#include <algorithm>

#include "base/check.h"
#include "graph/op_def.h"

namespace lamina::search {
namespace {

using Id = TermStore::Id;
using Kind = BlockStep::Kind;

bool is_matmul(const Node& node) { return node.op->name == "matmul"; }
bool is_transpose(const Node& node) { return node.op->name == "transpose"; }

std::optional<double> scalar_constant(const Node& node) {
  if (node.op->name != "constant" || !node.types[0].shape.empty()) return std::nullopt;
  return node.attrs.real("value");
}

// The last two axes exchanged, all others in place.
bool swaps_last_axes(const Graph& graph, const Node& node) {
  const std::size_t rank = graph.type(node.inputs[0]).shape.size();
  if (rank < 2) return false;
  std::vector<std::int64_t> axes = node.attrs.integers("axes");
  if (axes.empty()) return rank == 2;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t axis = axes[i] < 0 ? axes[i] + static_cast<std::int64_t>(rank) : axes[i];
    const std::size_t wanted = i + 2 < rank ? i : (i + 1 == rank ? rank - 2 : rank - 1);
    if (axis != static_cast<std::int64_t>(wanted)) return false;
  }
  return true;
}

// The one axis of a reduction, from the end.
std::optional<std::size_t> reduced_axis(const Graph& graph, const Node& node) {
  if (node.op->name != "sum" && node.op->name != "reduce_max") return std::nullopt;
  const auto rank = static_cast<std::int64_t>(graph.type(node.inputs[0]).shape.size());
  std::vector<std::int64_t> axes = node.attrs.integers("axes");
  if (axes.empty() && rank == 1) axes = {0};
  if (axes.size() != 1) return std::nullopt;
  return static_cast<std::size_t>(axes[0] < 0 ? -axes[0] : rank - axes[0]);
}

bool is_float(const Node& node) { return traits(node.types[0].dtype).is_float; }

}  // namespace

std::string to_string(const BlockShape& shape) {
  std::string text = "grid";
  for (const std::size_t axis : shape.grid) text += " " + std::to_string(axis);
  return shape.loop ? text + " loop " + shape.loop->to_string() : text;
}

void SpaceStatistics::add(const SpaceStatistics& other) {
  states += other.states;
  misfits += other.misfits;
  pruned += other.pruned;
  merged += other.merged;
  values += other.values;
  complete = complete && other.complete;
}

bool BlockSpace::accepts(const Graph& program) {
  for (const Node& node : program.nodes) {
    if (node.types.size() != 1 || !is_float(node)) return false;
    if (node.op->name == "input" || scalar_constant(node) || is_matmul(node)) continue;
    if (is_transpose(node) && swaps_last_axes(program, node)) continue;
    if (reduced_axis(program, node)) continue;
    const bool elementwise =
        node.op->kind == lamina::Kind::kElementwise && node.op->scalar.formal != nullptr;
    if (!elementwise || node.inputs.size() > 2) return false;
  }
  return !program.outputs.empty();
}

BlockSpace::BlockSpace(const Graph& program, BlockShape shape, const SpaceLimits& limits)
    : program_(program),
      shape_(std::move(shape)),
      limits_(limits),
      fields_(shape_.grid.size(), shape_.loop.has_value()),
      terms_(!limits.same_exponents) {
  by_size_.resize(static_cast<std::size_t>(limits.operators) + 1);
  for (const Input& input : program.inputs) {
    inputs_.push_back(
        fields_.draw(program.nodes[static_cast<std::size_t>(input.node)].types[0].shape));
  }
  collect_operators();
  set_targets();
}

void BlockSpace::collect_operators() {
  const auto add = [](std::vector<Elementwise>& list, const Elementwise& what) {
    if (std::find(list.begin(), list.end(), what) == list.end()) list.push_back(what);
  };
  for (const Node& node : program_.nodes) {
    if (const auto constant = scalar_constant(node)) {
      if (std::find(constants_.begin(), constants_.end(), *constant) == constants_.end()) {
        constants_.push_back(*constant);
      }
      continue;
    }
    products_ = products_ || is_matmul(node);
    transposes_ = transposes_ || is_transpose(node);
    if (const auto axis = reduced_axis(program_, node)) {
      const bool largest = node.op->name == "reduce_max";
      (largest ? maxima_ : sums_) = true;
      for (const bool keep : {true, node.attrs.flag("keepdims")}) {
        const bool known =
            std::any_of(reductions_.begin(), reductions_.end(), [&](const Reduction& r) {
              return r.largest == largest && r.axis == *axis && r.keep == keep;
            });
        if (!known) reductions_.push_back({largest, *axis, keep});
      }
    }
    if (node.op->kind != lamina::Kind::kElementwise || node.op->name == "cast") continue;
    exponentials_ = exponentials_ || node.op->name == "exp";
    add(node.inputs.size() == 1 ? unary_ : binary_, {node.op, node.attrs});
  }
  // What the axioms need beside the operators of the program.
  for (const char* name : {"mul", "div"}) {
    const bool divides = std::any_of(binary_.begin(), binary_.end(), [](const Elementwise& what) {
      return what.op->name == "div" || what.op->name == "mul";
    });
    if (divides) add(binary_, {&find_op(name), {}});
  }
}

// Evaluates the program itself, nothing cut.
void BlockSpace::set_targets() {
  std::vector<std::optional<BlockValue>> whole(program_.nodes.size());
  std::vector<Id> terms(program_.nodes.size(), 0);
  for (std::size_t i = 0; i < program_.inputs.size(); ++i) {
    const auto node = static_cast<std::size_t>(program_.inputs[i].node);
    whole[node] = fields_.load(inputs_[i], std::vector<int>(inputs_[i].shape.size(), kWhole));
    terms[node] = terms_.input(static_cast<int>(i));
  }
  for (std::size_t n = 0; n < program_.nodes.size(); ++n) {
    const Node& node = program_.nodes[n];
    if (node.op->name == "input") continue;
    std::vector<const BlockValue*> operands;
    std::vector<Id> operand_terms;
    for (const lamina::Value& v : node.inputs) {
      operands.push_back(&*whole[static_cast<std::size_t>(v.node)]);
      operand_terms.push_back(terms[static_cast<std::size_t>(v.node)]);
    }
    if (const auto constant = scalar_constant(node)) {
      whole[n] = fields_.load(fields_.constant(*constant), {});
      terms[n] = terms_.constant(*constant);
    } else if (is_matmul(node)) {
      whole[n] = fields_.matmul(*operands[0], *operands[1]);
      terms[n] = matmul_term(*operands[0], operand_terms[0], operand_terms[1]);
    } else if (is_transpose(node)) {
      whole[n] = fields_.transpose(*operands[0]);
      terms[n] = operand_terms[0];
    } else if (const auto axis = reduced_axis(program_, node)) {
      const bool largest = node.op->name == "reduce_max";
      const std::int64_t extent = extent_of(operands[0]->axes[operands[0]->axes.size() - *axis]);
      whole[n] = fields_.reduce(*operands[0], largest, *axis, node.attrs.flag("keepdims"));
      terms[n] =
          largest ? terms_.largest(extent, operand_terms[0]) : terms_.sum(extent, operand_terms[0]);
    } else {
      if (node.op->name == "exp") exponents_.insert(operand_terms[0]);
      whole[n] = fields_.elementwise(*node.op, node.attrs, operands);
      terms[n] = elementwise_term({node.op, node.attrs}, operand_terms);
    }
    require(whole[n].has_value(), "search: '{}' is undefined on the small instance", node.name);
  }
  found_.resize(program_.outputs.size());
  for (std::size_t k = 0; k < program_.outputs.size(); ++k) {
    const auto node = static_cast<std::size_t>(program_.outputs[k].value.node);
    targets_.push_back(terms[node]);
    std::vector<int> cuts(whole[node]->axes.size(), kWhole);
    for (std::size_t g = 0; g < shape_.grid.size(); ++g) {
      if (shape_.grid[g] < cuts.size()) cuts[shape_.grid[g]] = static_cast<int>(g);
    }
    BlockFields::Whole output{{}, whole[node]->elements};
    for (const TileAxis& axis : whole[node]->axes) output.shape.push_back(axis.extent);
    BlockValue target = fields_.load(output, cuts);
    target.after = shape_.loop.has_value();
    wanted_.emplace(fields_.fingerprint(target), k);
  }
}

std::pair<std::int64_t, std::int64_t> BlockSpace::primes_of(const Dim& extent) {
  static constexpr std::int64_t kPrimes[] = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37,
                                             41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89};
  const std::size_t at = std::min<std::size_t>(2 * primes_.size(), std::size(kPrimes) - 2);
  return primes_.try_emplace(extent.to_string(), kPrimes[at], kPrimes[at + 1]).first->second;
}

// The elements of a tile along an axis, in the language of terms.
std::int64_t BlockSpace::extent_of(const TileAxis& axis) {
  if (axis.extent == Dim(1)) return 1;
  const auto [tile, rest] = primes_of(axis.extent);
  return axis.cut == kLoop ? tile : tile * rest;
}

std::int64_t BlockSpace::loop_extent() { return primes_of(*shape_.loop).second; }

Id BlockSpace::matmul_term(const BlockValue& a, Id x, Id y) {
  return terms_.sum(extent_of(a.axes.back()), terms_.multiply(x, y));
}

Id BlockSpace::elementwise_term(const Elementwise& what, std::span<const Id> x) {
  const std::string_view name = what.op->name;
  if (name == "add" || name == "sub") return terms_.add(x[0], x[1]);
  if (name == "mul") return terms_.multiply(x[0], x[1]);
  if (name == "div") return terms_.divide(x[0], x[1]);
  if (name == "neg" || name == "cast") return x[0];
  if (name == "reciprocal") return terms_.divide(terms_.one(), x[0]);
  if (name == "exp") return terms_.exponential(x[0]);
  if (name == "sqrt") return terms_.root(x[0]);
  if (name == "rsqrt") return terms_.divide(terms_.one(), terms_.root(x[0]));
  std::vector<Id> operands(x.begin(), x.end());
  if (name == "max" || name == "min") std::sort(operands.begin(), operands.end());
  return terms_.function(name, operands);
}

bool BlockSpace::relevant(Id term) {
  if (!limits_.prune_terms) return true;
  const auto part_of = [&](Id whole) { return terms_.within(term, whole); };
  return std::any_of(targets_.begin(), targets_.end(), part_of) ||
         (limits_.same_exponents && std::any_of(exponents_.begin(), exponents_.end(), part_of));
}

std::vector<std::size_t> BlockSpace::needs_of(const BlockStep& step, std::size_t self) const {
  std::vector<std::size_t> needs;
  for (const std::size_t operand : step.operands) {
    const std::vector<std::size_t>& more = values_[operand].needs;
    std::vector<std::size_t> both;
    std::set_union(needs.begin(), needs.end(), more.begin(), more.end(), std::back_inserter(both));
    needs = std::move(both);
  }
  if (step.kind != Kind::kLoad && step.kind != Kind::kConstant) needs.push_back(self);
  return needs;
}

void BlockSpace::offer(std::optional<BlockValue> value, Id term, BlockStep step) {
  if (!value) {
    ++statistics_.misfits;
    return;
  }
  keep(std::move(*value), term, std::move(step));
}

// A new value, or one more way to compute a known one.
void BlockSpace::keep(BlockValue value, Id term, BlockStep step) {
  const Fingerprint print = fields_.fingerprint(value);
  const auto known = known_.find(print);
  if (known != known_.end() && limits_.merge_equal) {
    ++statistics_.merged;
    const std::size_t last =
        step.operands.empty() ? 0 : *std::max_element(step.operands.begin(), step.operands.end());
    std::vector<BlockStep>& ways = values_[known->second].ways;
    const bool earlier = step.operands.empty() || last < known->second;
    if (earlier && std::find(ways.begin(), ways.end(), step) == ways.end()) {
      ways.push_back(std::move(step));
    }
    return;
  }
  const std::size_t number = values_.size();
  std::vector<std::size_t> needs = needs_of(step, number);
  if (needs.size() >= by_size_.size()) return;
  if (number >= limits_.values) {
    statistics_.complete = false;
    return;
  }
  by_size_[needs.size()].push_back(number);
  known_.emplace(print, number);
  if (const auto wanted = wanted_.find(print); wanted != wanted_.end() && !found_[wanted->second]) {
    found_[wanted->second] = number;
  }
  values_.push_back({std::move(value), term, {std::move(step)}, std::move(needs)});
  ++statistics_.values;
}

void BlockSpace::add_loads() {
  const Dims& root = program_.type(program_.outputs[0].value).shape;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const std::vector<Dim>& shape = inputs_[i].shape;
    // Every axis whole, or cut by a dimension of the same extent; each dimension at most once.
    std::vector<std::vector<int>> all = {{}};
    for (const Dim& extent : shape) {
      std::vector<std::vector<int>> longer;
      for (const std::vector<int>& cuts : all) {
        std::vector<int> choices = {kWhole};
        if (shape_.loop && extent == *shape_.loop) choices.push_back(kLoop);
        for (std::size_t g = 0; g < shape_.grid.size(); ++g) {
          if (extent != Dim(1) && extent == root[shape_.grid[g]])
            choices.push_back(static_cast<int>(g));
        }
        for (const int cut : choices) {
          if (cut != kWhole && std::find(cuts.begin(), cuts.end(), cut) != cuts.end()) continue;
          longer.push_back(cuts);
          longer.back().push_back(cut);
        }
      }
      all = std::move(longer);
    }
    for (const std::vector<int>& cuts : all) {
      BlockStep step{Kind::kLoad, i, cuts, 0.0, nullptr, {}, {}};
      keep(fields_.load(inputs_[i], cuts), terms_.input(static_cast<int>(i)), std::move(step));
    }
  }
}

void BlockSpace::add_constants() {
  for (const double constant : constants_) {
    BlockStep step{Kind::kConstant, 0, {}, constant, nullptr, {}, {}};
    keep(fields_.load(fields_.constant(constant), {}), terms_.constant(constant), std::move(step));
  }
}

template <class Compute>
std::optional<Id> BlockSpace::relevant_term(const void* what, Id a, Id b, Compute compute) {
  ++statistics_.states;
  const std::uint64_t kind = kinds_.try_emplace(what, kinds_.size()).first->second;
  const auto [at, added] = pair_terms_.try_emplace(kind << 48 | std::uint64_t{a} << 24 | b);
  if (added) {
    const Id term = compute();
    if (relevant(term)) at->second = term;
  }
  if (!at->second) ++statistics_.pruned;
  return at->second;
}

void BlockSpace::apply(const Elementwise& what, std::vector<std::size_t> operands) {
  std::vector<Id> terms;
  std::vector<const BlockValue*> values;
  for (const std::size_t k : operands) {
    terms.push_back(values_[k].term);
    values.push_back(&values_[k].value);
  }
  if (limits_.same_exponents && what.op->name == "exp" && !exponents_.contains(terms[0])) {
    ++statistics_.states;
    ++statistics_.pruned;
    return;
  }
  const auto term =
      relevant_term(&what, terms[0], terms.back(), [&] { return elementwise_term(what, terms); });
  if (!term) return;
  offer(fields_.elementwise(*what.op, what.attrs, values), *term,
        {Kind::kApply, 0, {}, 0.0, what.op, what.attrs, std::move(operands)});
}

void BlockSpace::multiply(std::size_t a, std::size_t b) {
  const BlockValue &x = values_[a].value, &y = values_[b].value;
  if (x.axes.size() < 2 || y.axes.size() < 2 || !(x.axes.back() == y.axes[y.axes.size() - 2])) {
    ++statistics_.states;
    ++statistics_.misfits;
    return;
  }
  // The extent of a tile depends on how the axis is cut.
  const bool looped = x.axes.back().cut == kLoop;
  const auto term = relevant_term(looped ? static_cast<const void*>(&products_) : &sums_,
                                  values_[a].term, values_[b].term,
                                  [&] { return matmul_term(x, values_[a].term, values_[b].term); });
  if (!term) return;
  offer(fields_.matmul(x, y), *term, {Kind::kApply, 0, {}, 0.0, &find_op("matmul"), {}, {a, b}});
}

void BlockSpace::pair(std::size_t a, std::size_t b) {
  const bool constant = values_[a].value.axes.empty() && values_[b].value.axes.empty() &&
                        values_[a].needs.empty() && values_[b].needs.empty();
  for (const Elementwise& what : binary_) {
    if (constant || (what.op->commutative && a > b)) continue;
    apply(what, {a, b});
  }
  if (products_) multiply(a, b);
  const bool running = values_[b].ways[0].kind == Kind::kRunningLargest;
  if (running && shape_.loop) {
    ++statistics_.states;
    const Id term = terms_.sum(loop_extent(), values_[a].term);
    if (relevant(term)) {
      offer(fields_.rescaled_sum(values_[a].value, values_[b].value), term,
            {Kind::kRescaledSum, 0, {}, 0.0, nullptr, {}, {a, b}});
    } else {
      ++statistics_.pruned;
    }
  }
}

void BlockSpace::accumulators(std::size_t v) {
  if (!shape_.loop) return;
  const auto attempt = [&](Kind kind, Id term, auto compute) {
    ++statistics_.states;
    if (relevant(term)) {
      offer(compute(values_[v].value), term, {kind, 0, {}, 0.0, nullptr, {}, {v}});
    } else {
      ++statistics_.pruned;
    }
  };
  const Id x = values_[v].term;
  if (sums_ || products_) {
    attempt(Kind::kSum, terms_.sum(loop_extent(), x),
            [&](const BlockValue& value) { return fields_.accumulate(value, false); });
  }
  if (!maxima_) return;
  const Id largest = terms_.largest(loop_extent(), x);
  attempt(Kind::kLargest, largest,
          [&](const BlockValue& value) { return fields_.accumulate(value, true); });
  if (!exponentials_) return;
  attempt(Kind::kRunningLargest, largest,
          [&](const BlockValue& value) { return fields_.running_largest(value); });
}

void BlockSpace::expand(std::size_t v) {
  for (const Elementwise& what : unary_) apply(what, {v});
  for (const Reduction& reduction : reductions_) {
    ++statistics_.states;
    const BlockValue& x = values_[v].value;
    if (x.axes.size() < reduction.axis) {
      ++statistics_.misfits;
      continue;
    }
    const std::int64_t axis = static_cast<std::int64_t>(reduction.axis);
    const std::int64_t extent = extent_of(x.axes[x.axes.size() - reduction.axis]);
    const Id term = reduction.largest ? terms_.largest(extent, values_[v].term)
                                      : terms_.sum(extent, values_[v].term);
    if (!relevant(term)) {
      ++statistics_.pruned;
      continue;
    }
    offer(fields_.reduce(x, reduction.largest, reduction.axis, reduction.keep), term,
          {Kind::kApply,
           0,
           {},
           0.0,
           &find_op(reduction.largest ? "reduce_max" : "sum"),
           {{"axes", Dims{-axis}}, {"keepdims", reduction.keep}},
           {v}});
  }
  if (transposes_) {
    ++statistics_.states;
    const auto rank = static_cast<std::int64_t>(values_[v].value.axes.size());
    Dims axes;
    for (std::int64_t i = 0; i < rank; ++i) {
      axes.emplace_back(i + 2 < rank ? i : (i + 1 == rank ? rank - 2 : rank - 1));
    }
    offer(fields_.transpose(values_[v].value), values_[v].term,
          {Kind::kApply, 0, {}, 0.0, &find_op("transpose"), {{"axes", axes}}, {v}});
  }
  accumulators(v);
  expanded_.push_back(v);
  const std::vector<std::size_t> others = expanded_;
  for (const std::size_t u : others) {
    pair(v, u);
    if (u != v) pair(u, v);
  }
}

bool BlockSpace::run(const std::function<bool()>& stop) {
  add_loads();
  add_constants();
  for (std::size_t size = 0; size < by_size_.size(); ++size) {
    for (std::size_t i = 0; i < by_size_[size].size(); ++i) {
      if (stop && stop()) {
        statistics_.complete = false;
        return false;
      }
      expand(by_size_[size][i]);
      if (!statistics_.complete) return true;
    }
  }
  return true;
}

bool BlockSpace::complete() const {
  return std::all_of(found_.begin(), found_.end(), [](const auto& v) { return v.has_value(); });
}

}  // namespace lamina::search
