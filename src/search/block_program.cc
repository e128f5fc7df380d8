// Choosing among the ways of a space, and building block graphs.
#include "search/block_program.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/check.h"
#include "graph/op_def.h"

namespace lamina::search {
namespace {

using Kind = BlockStep::Kind;

// Extents of tiles, and how often things happen, at one tiling.
class Prices {
 public:
  Prices(const BlockSpace& space, const Tiling& tiling, const BlockMachine& machine,
         const Sizes& sizes)
      : space_(space), tiling_(tiling), machine_(machine), sizes_(sizes) {
    const Graph& program = space.program();
    const Dims& root = program.type(program.outputs[0].value).shape;
    for (const std::size_t axis : space.shape().grid) {
      const double tile = static_cast<double>(tiling.tile[axis]);
      tiles_.push_back(tile);
      tasks_ *= std::ceil(static_cast<double>(root[axis].evaluate(sizes)) / tile);
    }
    if (space.shape().loop) {
      const auto extent = static_cast<double>(space.shape().loop->evaluate(sizes));
      trips_ = std::ceil(extent / static_cast<double>(tiling.loop_tile));
    }
  }

  // Of all tasks on all threads: the last round of tasks may leave threads idle.
  double seconds_of(double task) const { return task * std::ceil(tasks_ / machine_.threads); }

  // Seconds of one task.
  double of(std::size_t number, const BlockStep& step) const {
    const BlockValue& value = space_.values()[number].value;
    const double elements = elements_of(value);
    switch (step.kind) {
      case Kind::kConstant:
        return 0.0;
      case Kind::kLoad:
        return 4.0 * elements * trips(value) / machine_.bytes_per_s;
      case Kind::kApply:
        return apply(step, value, elements);
      case Kind::kSum:
      case Kind::kLargest:
        return operations(elements * trips_);
      case Kind::kRunningLargest:
        return operations(elements * trips_);
      case Kind::kRescaledSum:
        return operations((2.0 * elements + kCostly * rows(step)) * trips_);
    }
    return 0.0;
  }

 private:
  // Element-wise work in units of one vector operation a cycle: a small part of the rate of
  // products.
  static constexpr double kElementwise = 4.0;
  static constexpr double kCostly = 8.0;  // exp, division, square root

  double operations(double count) const { return count * kElementwise / machine_.flops_per_s; }
  double trips(const BlockValue& value) const { return value.varies_in_loop() ? trips_ : 1.0; }

  double extent(const TileAxis& axis) const {
    if (axis.cut == kLoop) return static_cast<double>(tiling_.loop_tile);
    if (axis.cut >= 0) return tiles_[static_cast<std::size_t>(axis.cut)];
    return static_cast<double>(axis.extent.evaluate(sizes_));
  }
  double elements_of(const BlockValue& value) const {
    double elements = 1.0;
    for (const TileAxis& axis : value.axes) elements *= extent(axis);
    return elements;
  }
  double rows(const BlockStep& step) const {
    return elements_of(space_.values()[step.operands[1]].value);
  }

  double apply(const BlockStep& step, const BlockValue& value, double elements) const {
    const std::string_view name = step.op->name;
    const double times = trips(value);
    if (name == "matmul") {
      const BlockValue& a = space_.values()[step.operands[0]].value;
      return 2.0 * elements * extent(a.axes.back()) * times / machine_.flops_per_s;
    }
    double work = elements;
    for (const std::size_t operand : step.operands) {
      work = std::max(work, elements_of(space_.values()[operand].value));
    }
    const bool cheap = name == "add" || name == "sub" || name == "mul" || name == "max" ||
                       name == "sum" || name == "reduce_max" || name == "neg" || name == "relu";
    return operations(work * (cheap ? 1.0 : kCostly) * times);
  }

  const BlockSpace& space_;
  const Tiling& tiling_;
  const BlockMachine& machine_;
  const Sizes& sizes_;
  std::vector<double> tiles_;
  double tasks_ = 1.0;
  double trips_ = 1.0;
};

// Branch and bound over the ways of the values that are needed, later values first: the operands
// of a way are earlier, so every value is decided once however many read it.
class Chooser {
 public:
  Chooser(const BlockSpace& space, const Prices& prices, std::size_t count)
      : space_(space), prices_(prices), count_(count), ways_(space.values().size()) {
    for (std::size_t v = 0; v < ways_.size(); ++v) {
      const std::vector<BlockStep>& ways = space.values()[v].ways;
      for (std::size_t w = 0; w < ways.size(); ++w) ways_[v].emplace_back(prices.of(v, ways[w]), w);
      std::sort(ways_[v].begin(), ways_[v].end());
    }
  }

  std::vector<PricedProgram> run() {
    std::vector<std::size_t> open;
    for (const auto& output : space_.outputs()) open.push_back(*output);
    std::sort(open.begin(), open.end());
    open.erase(std::unique(open.begin(), open.end()), open.end());
    double ahead = 0.0;
    for (const std::size_t value : open) ahead += least(value);
    choose(open, 0.0, ahead);
    std::vector<PricedProgram> programs;
    for (const auto& [seconds, choice] : best_) {
      programs.push_back({program_of(choice), prices_.seconds_of(seconds)});
    }
    return programs;
  }

 private:
  using Choice = std::map<std::size_t, std::size_t>;  // value: its way

  static constexpr std::int64_t kMostSteps = 20000;

  // What the value costs itself, at least.
  double least(std::size_t value) const { return ways_[value].front().first; }

  // `ahead`: what the open values cost themselves, at least.
  void choose(const std::vector<std::size_t>& open, double spent, double ahead) {
    if (++steps_ > kMostSteps) return;
    if (open.empty()) {
      best_.emplace(spent, chosen_);
      if (best_.size() > count_) best_.erase(std::prev(best_.end()));
      return;
    }
    const std::size_t value = open.back();
    for (const auto& [price, way] : ways_[value]) {
      std::vector<std::size_t> next(open.begin(), open.end() - 1);
      double rest = ahead - least(value);
      for (const std::size_t operand : space_.values()[value].ways[way].operands) {
        const auto at = std::lower_bound(next.begin(), next.end(), operand);
        if (at != next.end() && *at == operand) continue;
        next.insert(at, operand);
        rest += least(operand);
      }
      if (best_.size() == count_ && spent + price + rest >= best_.rbegin()->first) continue;
      chosen_[value] = way;
      choose(next, spent + price, rest);
      chosen_.erase(value);
    }
  }

  BlockProgram program_of(const Choice& choice) const {
    BlockProgram program{space_.shape().grid, space_.shape().loop.has_value(), {}, {}};
    std::map<std::size_t, std::size_t> numbers;
    for (const auto& [value, way] : choice) {
      BlockStep step = space_.values()[value].ways[way];
      for (std::size_t& operand : step.operands) operand = numbers.at(operand);
      numbers[value] = program.steps.size();
      program.steps.push_back(std::move(step));
    }
    for (const auto& output : space_.outputs()) program.outputs.push_back(numbers.at(*output));
    return program;
  }

  const BlockSpace& space_;
  const Prices& prices_;
  std::size_t count_;
  std::vector<std::vector<std::pair<double, std::size_t>>> ways_;  // of each value, cheapest first
  std::int64_t steps_ = 0;
  Choice chosen_;
  std::multimap<double, Choice> best_;
};

// Emits the block graph.
class Builder {
 public:
  Builder(const Graph& program, const BlockProgram& plan, const Tiling& tiling)
      : program_(program), plan_(plan), tiling_(tiling) {}

  std::optional<Graph> run() {
    if (!set_grid()) return std::nullopt;
    block_.name = program_.name;
    block_.level = Level::kBlock;
    block_.sizes = program_.sizes;
    for (const Input& input : program_.inputs) {
      const Node& node = program_.nodes[static_cast<std::size_t>(input.node)];
      inputs_.push_back(block_.add_input(node.name, node.types[0], Role::kInput));
    }
    for (const BlockStep& step : plan_.steps) {
      const auto value = add(step);
      if (!value) return std::nullopt;
      values_.push_back(*value);
    }
    return finish();
  }

 private:
  bool set_grid() {
    const Dims& root = program_.type(program_.outputs[0].value).shape;
    if (tiling_.tile.size() != root.size()) return false;
    for (const std::size_t axis : plan_.grid) {
      if (axis >= root.size() || tiling_.tile[axis] <= 0) return false;
      grid_.push_back(ceil_div(root[axis], tiling_.tile[axis]));
    }
    return !plan_.loops || tiling_.loop_tile > 0;
  }

  std::optional<Value> add(const BlockStep& step) {
    switch (step.kind) {
      case Kind::kLoad:
        return load(step);
      case Kind::kConstant:
        return block_.constant(step.constant);
      case Kind::kApply:
        return block_.add(step.op->name, operands_of(step), step.attrs);
      case Kind::kSum:
      case Kind::kLargest:
        return accumulate(values_[step.operands[0]], step.kind == Kind::kLargest);
      case Kind::kRunningLargest:
        return running(step.operands[0]);
      case Kind::kRescaledSum:
        return rescaled(step.operands[0], step.operands[1]);
    }
    return std::nullopt;
  }

  std::vector<Value> operands_of(const BlockStep& step) const {
    std::vector<Value> operands;
    for (const std::size_t operand : step.operands) operands.push_back(values_.at(operand));
    return operands;
  }

  std::optional<Value> load(const BlockStep& step) {
    if (step.input >= inputs_.size()) return std::nullopt;
    const Dims shape = block_.type(inputs_[step.input]).shape;
    if (step.cuts.size() != shape.size()) return std::nullopt;
    Dims grid(std::max<std::size_t>(1, plan_.grid.size()), -1);
    Dims tile = shape;
    std::int64_t loop = -1;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (step.cuts[i] == kWhole) continue;
      if (step.cuts[i] == kLoop) {
        if (loop_extent_ != Dim(0) && !(loop_extent_ == shape[i])) return std::nullopt;
        loop_extent_ = shape[i];
        loop = static_cast<std::int64_t>(i);
        tile[i] = tiling_.loop_tile;
      } else {
        const auto cut = static_cast<std::size_t>(step.cuts[i]);
        grid[cut] = static_cast<std::int64_t>(i);
        tile[i] = tiling_.tile[plan_.grid[cut]];
      }
    }
    return block_.add("load", {inputs_[step.input]},
                      {{"grid", grid}, {"loop", loop}, {"tile", tile}});
  }

  Type state_type(Value like) const { return {DType::kF32, block_.type(like).shape, {}}; }

  Value accumulate(Value x, bool largest) {
    const Value state =
        block_.add_state(largest ? "peak" : "sum", state_type(x), largest ? kLowestScore : 0.0);
    block_.add_update(state, block_.add(largest ? "max" : "add", {state, x}));
    return block_.add("after", {state});
  }

  Value running(std::size_t operand) {
    const Value x = values_[operand];
    const Value peak = block_.add_state("peak", state_type(x), kLowestScore);
    const Value next = block_.add("max", {peak, x});
    block_.add_update(peak, next);
    shrinks_[values_.size()] = block_.add("exp", {block_.add("sub", {peak, next})});
    return next;
  }

  Value rescaled(std::size_t operand, std::size_t peak) {
    const Value x = values_[operand];
    const Value sum = block_.add_state("sum", state_type(x), 0.0);
    const Value scaled = block_.add("mul", {sum, shrinks_.at(peak)});
    block_.add_update(sum, block_.add("add", {scaled, x}));
    return block_.add("after", {sum});
  }

  std::optional<Graph> finish() {
    Graph out;
    out.name = program_.name;
    out.sizes = program_.sizes;
    std::vector<Value> inputs;
    for (const Input& input : program_.inputs) {
      const Node& node = program_.nodes[static_cast<std::size_t>(input.node)];
      inputs.push_back(out.add_input(node.name, node.types[0], input.role));
      out.inputs.back().value = input.value;
    }
    Dims cuts(std::max<std::size_t>(1, plan_.grid.size()), -1);
    for (std::size_t g = 0; g < plan_.grid.size(); ++g) {
      cuts[g] = static_cast<std::int64_t>(plan_.grid[g]);
    }
    for (std::size_t k = 0; k < program_.outputs.size(); ++k) {
      const Type& type = program_.type(program_.outputs[k].value);
      Value value = values_.at(plan_.outputs.at(k));
      if (block_.type(value).dtype != type.dtype) {
        value = block_.add("cast", {value}, {{"dtype", type.dtype}});
      }
      const Value stored = block_.add("store", {value}, {{"grid", cuts}, {"shape", type.shape}});
      block_.add_output(program_.outputs[k].name, stored);
    }
    const Dim loop = plan_.loops ? ceil_div(loop_extent_, tiling_.loop_tile) : Dim(1);
    const Value node =
        out.add("block", inputs, {{"grid", grid_.empty() ? Dims{1} : grid_}, {"loop", Dims{loop}}},
                program_.name, {block_});
    for (std::size_t k = 0; k < program_.outputs.size(); ++k) {
      out.add_output(program_.outputs[k].name, {node.node, static_cast<std::int32_t>(k)});
    }
    return out;
  }

  const Graph& program_;
  const BlockProgram& plan_;
  const Tiling& tiling_;
  Dims grid_;
  Dim loop_extent_ = 0;
  Graph block_;
  std::vector<Value> inputs_;
  std::vector<Value> values_;
  std::map<std::size_t, Value> shrinks_;  // e^(old - new maximum), by the step of the maximum
};

}  // namespace

std::vector<PricedProgram> cheapest(const BlockSpace& space, const Tiling& tiling,
                                    const BlockMachine& machine, const Sizes& sizes,
                                    std::size_t count) {
  if (!space.complete()) return {};
  return Chooser(space, Prices(space, tiling, machine, sizes), count).run();
}

std::optional<Graph> to_graph(const Graph& program, const BlockProgram& block,
                              const Tiling& tiling) {
  return Builder(program, block, tiling).run();
}

}  // namespace lamina::search
