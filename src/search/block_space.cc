// Enumerating values of block programs.
#include "search/block_space.h"

#include <algorithm>

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

bool is_select(const Node& node) { return node.op->name == "select"; }

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
  unsafe += other.unsafe;
  large += other.large;
  evaluated += other.evaluated;
  merged += other.merged;
  values += other.values;
  complete = complete && other.complete;
}

std::optional<std::size_t> BlockSpace::reduced_axis(const Graph& graph, const Node& node) {
  if (node.op->name != "sum" && node.op->name != "reduce_max") return std::nullopt;
  const auto rank = static_cast<std::int64_t>(graph.type(node.inputs[0]).shape.size());
  std::vector<std::int64_t> axes = node.attrs.integers("axes");
  if (axes.empty() && rank == 1) axes = {0};
  if (axes.size() != 1) return std::nullopt;
  const std::int64_t axis = axes[0] < 0 ? axes[0] + rank : axes[0];
  // Of one element: nothing that a search over reductions could place.
  if (graph.type(node.inputs[0]).shape[static_cast<std::size_t>(axis)] == Dim(1)) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(rank - axis);
}

bool BlockSpace::is_tile_operator(const Graph& program, const Node& node) {
  if (node.types.size() != 1) return false;
  if (is_matmul(node) || reduced_axis(program, node)) return true;
  if (is_transpose(node)) return swaps_last_axes(program, node);
  return node.op->kind == lamina::Kind::kElementwise && node.op->scalar.formal != nullptr &&
         (node.inputs.size() <= 2 || is_select(node));
}

bool BlockSpace::accepts(const Graph& program) {
  for (const Node& node : program.nodes) {
    const DTypeTraits& type = traits(node.types[0].dtype);
    const bool input = node.op->name == "input";
    if (!type.is_float && !(input && node.types[0].dtype == DType::kBool)) return false;
    if (!input && !scalar_constant(node) && !is_tile_operator(program, node)) return false;
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
    const Type& type = program.nodes[static_cast<std::size_t>(input.node)].types[0];
    inputs_.push_back(type.dtype == DType::kBool ? fields_.draw_bits(type.shape)
                                                 : fields_.draw(type.shape));
  }
  collect_operators();
  found_.resize(program.outputs.size());
  defined_ = set_targets();
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
    if (is_select(node)) continue;
    exponentials_ = exponentials_ || node.op->name == "exp";
    add(node.inputs.size() == 1 ? unary_ : binary_, {node.op, node.attrs, node.inputs.size()});
  }
  // What the axioms need beside the operators of the program.
  for (const char* name : {"mul", "div"}) {
    const bool divides = std::any_of(binary_.begin(), binary_.end(), [](const Elementwise& what) {
      return what.op->name == "div" || what.op->name == "mul";
    });
    if (divides) add(binary_, {&find_op(name), {}, 2});
  }
}

// Evaluates the program itself, nothing cut. False where it is undefined on the small instance, as
// exponentials of exponentials are.
bool BlockSpace::set_targets() {
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
      if (is_select(node))
        selections_.insert({operand_terms[0], operand_terms[1], operand_terms[2]});
      whole[n] = fields_.elementwise(*node.op, node.attrs, operands);
      terms[n] = elementwise_term({node.op, node.attrs, operand_terms.size()}, operand_terms);
    }
    if (!whole[n]) return false;
  }
  for (std::size_t k = 0; k < program_.outputs.size(); ++k) {
    const auto node = static_cast<std::size_t>(program_.outputs[k].value.node);
    targets_.push_back(terms[node]);
    add_targets(*whole[node], k);
  }
  return true;
}

// The tiles that an output is stored from: whole but for the grid, after the loop; or each part of
// an axis by the iteration that computes it.
void BlockSpace::add_targets(const BlockValue& whole, std::size_t k) {
  std::vector<int> cuts(whole.axes.size(), kWhole);
  for (std::size_t g = 0; g < shape_.grid.size(); ++g) {
    const std::size_t axis = shape_.grid[g];
    if (axis < cuts.size() && whole.axes[axis].extent != Dim(1)) cuts[axis] = static_cast<int>(g);
  }
  BlockFields::Whole output{{}, whole.elements};
  for (const TileAxis& axis : whole.axes) output.shape.push_back(axis.extent);
  BlockValue target = fields_.load(output, cuts);
  target.after = shape_.loop.has_value();
  wanted_.emplace(fields_.fingerprint(target), k);
  for (std::size_t axis = 0; shape_.loop && axis < cuts.size(); ++axis) {
    if (cuts[axis] != kWhole || output.shape[axis] != *shape_.loop) continue;
    std::vector<int> parts = cuts;
    parts[axis] = kLoop;
    wanted_.emplace(fields_.fingerprint(fields_.load(output, parts)), k);
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

// What the operands' first ways compute.
std::vector<std::size_t> BlockSpace::needs_of(const BlockStep& step) const {
  std::vector<std::size_t> needs;
  for (const std::size_t operand : step.operands) {
    const std::vector<std::size_t>& more = values_[operand].needs;
    std::vector<std::size_t> both;
    std::set_union(needs.begin(), needs.end(), more.begin(), more.end(), std::back_inserter(both));
    needs = std::move(both);
  }
  return needs;
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
  std::vector<std::size_t> needs = needs_of(step);
  if (step.kind != Kind::kLoad && step.kind != Kind::kConstant) needs.push_back(number);
  if (number >= limits_.values) {
    statistics_.complete = false;
    return;
  }
  by_size_[needs.size()].push_back(number);
  known_.emplace(print, number);
  const bool fresh = known == known_.end();
  if (const auto wanted = wanted_.find(print); wanted != wanted_.end() && fresh) {
    found_[wanted->second].push_back(number);
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
          if (extent == root[shape_.grid[g]] && extent != Dim(1)) {
            choices.push_back(static_cast<int>(g));
          }
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

bool BlockSpace::run(const std::function<bool()>& stop) {
  if (!defined_) return true;
  add_loads();
  add_constants();
  for (std::size_t size = 0; size < by_size_.size(); ++size) {
    for (std::size_t i = 0; i < by_size_[size].size(); ++i) {
      if (stop && stop()) {
        statistics_.complete = false;
        return false;
      }
      expand(by_size_[size][i]);
      if (statistics_.evaluated > limits_.evaluations) statistics_.complete = false;
      if (!statistics_.complete) return true;
    }
  }
  return true;
}

bool BlockSpace::complete() const {
  return std::all_of(found_.begin(), found_.end(), [](const auto& v) { return !v.empty(); });
}

}  // namespace lamina::search
