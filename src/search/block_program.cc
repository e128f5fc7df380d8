// Choosing among the ways of a space.
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
        return (operations(2.0 * elements) + rows(step) / machine_.exp_per_s) * trips_;
    }
    return 0.0;
  }

 private:
  double operations(double count) const { return count / machine_.elements_per_s; }
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

  // To write a tile that the core's own cache does not hold, and to read it again.
  double spilled(double elements) const {
    const double bytes = 4.0 * elements;
    return bytes > machine_.cache_bytes ? 2.0 * bytes / machine_.bytes_per_s : 0.0;
  }

  double apply(const BlockStep& step, const BlockValue& value, double elements) const {
    const std::string_view name = step.op->name;
    const double times = trips(value);
    if (name == "matmul") {
      const BlockValue& a = space_.values()[step.operands[0]].value;
      return times *
             (2.0 * elements * extent(a.axes.back()) / machine_.flops_per_s + spilled(elements));
    }
    double work = elements;
    for (const std::size_t operand : step.operands) {
      work = std::max(work, elements_of(space_.values()[operand].value));
    }
    return times * (work * element_seconds(machine_, name) + spilled(elements));
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
  // Of programs that store these values, in the order of the outputs.
  Chooser(const BlockSpace& space, const Prices& prices, std::vector<std::size_t> outputs,
          std::size_t count)
      : space_(space),
        prices_(prices),
        outputs_(std::move(outputs)),
        count_(count),
        ways_(space.values().size()) {
    for (std::size_t v = 0; v < ways_.size(); ++v) {
      const std::vector<BlockStep>& ways = space.values()[v].ways;
      for (std::size_t w = 0; w < ways.size(); ++w) ways_[v].emplace_back(prices.of(v, ways[w]), w);
      std::sort(ways_[v].begin(), ways_[v].end());
    }
  }

  std::vector<PricedProgram> run() {
    std::vector<std::size_t> open = outputs_;
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
    for (const std::size_t output : outputs_) program.outputs.push_back(numbers.at(output));
    return program;
  }

  const BlockSpace& space_;
  const Prices& prices_;
  std::vector<std::size_t> outputs_;
  std::size_t count_;
  std::vector<std::vector<std::pair<double, std::size_t>>> ways_;  // of each value, cheapest first
  std::int64_t steps_ = 0;
  Choice chosen_;
  std::multimap<double, Choice> best_;
};

// One value for each output, in all ways: after the loop, or part by part in it.
std::vector<std::vector<std::size_t>> choices_of_outputs(const BlockSpace& space) {
  constexpr std::size_t kMostChoices =
      64;  // of programs with many outputs, only some are looked at
  std::vector<std::vector<std::size_t>> choices = {{}};
  for (const std::vector<std::size_t>& values : space.outputs()) {
    std::vector<std::vector<std::size_t>> longer;
    for (const std::vector<std::size_t>& choice : choices) {
      for (const std::size_t value : values) {
        if (longer.size() == kMostChoices) break;
        longer.push_back(choice);
        longer.back().push_back(value);
      }
    }
    choices = std::move(longer);
  }
  return choices;
}

}  // namespace

BlockMachine block_machine(const CpuMachine& machine, int threads) {
  // Cores that read at the same time share the memory's bandwidth.
  const double share = machine.all_cores_bytes_per_second / threads;
  return {.flops_per_s = machine.flops_f32,
          .bytes_per_s = std::min(machine.bytes_per_second, share),
          .elements_per_s = machine.elements_per_second,
          .exp_per_s = machine.exp_per_second,
          .div_per_s = machine.div_per_second,
          .sqrt_per_s = machine.sqrt_per_second,
          .cache_bytes = static_cast<double>(machine.l2_bytes),
          .launch_s = machine.launch_seconds,
          .threads = threads};
}

double element_seconds(const BlockMachine& machine, std::string_view op) {
  const double div = 1.0 / machine.div_per_s;
  const double sqrt = 1.0 / machine.sqrt_per_s;
  for (const std::string_view cheap :
       {"add", "sub", "mul", "max", "min", "sum", "reduce_max", "reduce_min", "neg", "abs", "relu",
        "cast", "select", "equal", "less", "less_equal", "greater", "greater_equal"}) {
    if (op == cheap) return 1.0 / machine.elements_per_s;
  }
  if (op == "div" || op == "reciprocal") return div;
  if (op == "sqrt") return sqrt;
  if (op == "rsqrt") return sqrt + div;
  if (op == "exp") return 1.0 / machine.exp_per_s;
  return 1.0 / machine.exp_per_s + div;  // sigmoid, tanh and others are made of these
}

std::vector<PricedProgram> cheapest(const BlockSpace& space, const Tiling& tiling,
                                    const BlockMachine& machine, const Sizes& sizes,
                                    std::size_t count) {
  require(machine.flops_per_s > 0.0, "the search needs a description of the machine");
  if (!space.complete()) return {};
  const Prices prices(space, tiling, machine, sizes);
  std::vector<PricedProgram> best;
  for (const std::vector<std::size_t>& outputs : choices_of_outputs(space)) {
    std::vector<PricedProgram> more = Chooser(space, prices, outputs, count).run();
    std::move(more.begin(), more.end(), std::back_inserter(best));
  }
  std::stable_sort(best.begin(), best.end(), [](const PricedProgram& a, const PricedProgram& b) {
    return a.seconds < b.seconds;
  });
  if (best.size() > count) best.resize(count);
  return best;
}

}  // namespace lamina::search
