// Block graphs out of block programs: one block node, or two where the loop is split over the grid.
#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "graph/op_def.h"
#include "search/block_axes.h"
#include "search/block_program.h"

namespace lamina::search {
namespace {

using Kind = BlockStep::Kind;

bool accumulates(const BlockStep& step) {
  return step.kind == Kind::kSum || step.kind == Kind::kLargest || step.kind == Kind::kRescaledSum;
}

// What all kernels of one block program share.
struct Plan {
  const Graph& program;
  const BlockProgram& block;
  const Tiling& tiling;
  Dims grid = {};       // tasks along each dimension
  Dim loop_extent = 0;  // of the axis that the loop cuts

  // False where an axis does not exist or a step reads what is not there.
  bool complete() {
    const Dims& root = program.type(program.outputs[0].value).shape;
    if (tiling.tile.size() != root.size()) return false;
    for (const std::size_t axis : block.grid) {
      if (axis >= root.size() || tiling.tile[axis] <= 0) return false;
      grid.push_back(ceil_div(root[axis], tiling.tile[axis]));
    }
    if (block.loops && tiling.loop_tile <= 0) return false;
    for (const BlockStep& step : block.steps) {
      if (step.kind == Kind::kLoad && !fits(step)) return false;
    }
    return block.split <= 1 || block.loops;
  }

  bool fits(const BlockStep& step) {
    if (step.input >= program.inputs.size()) return false;
    const Dims& shape = program.type({program.inputs[step.input].node, 0}).shape;
    if (step.cuts.size() != shape.size()) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (step.cuts[i] != kLoop) continue;
      if (loop_extent != Dim(0) && !(loop_extent == shape[i])) return false;
      loop_extent = shape[i];
    }
    return true;
  }

  Dim trips() const { return block.loops ? ceil_div(loop_extent, tiling.loop_tile) : Dim(1); }

  // Of the loop, as many as are asked for, or as give each an iteration.
  std::int64_t parts() const {
    const auto count = trips().constant();
    if (!count || *count <= 0) return block.split;
    const std::int64_t each = (*count + block.split - 1) / block.split;
    return (*count + each - 1) / each;
  }
};

// One block node: its inner graph, to which steps are added in order.
class Kernel {
 public:
  // `parts`: of the loop, along one more dimension of the grid; 1: none.
  Kernel(const Plan& plan, std::int64_t parts) : plan_(plan), parts_(parts) {
    inner_.name = plan.program.name;
    inner_.level = Level::kBlock;
    inner_.sizes = plan.program.sizes;
    for (const Input& input : plan.program.inputs) {
      const Node& node = plan.program.nodes[static_cast<std::size_t>(input.node)];
      inputs_.push_back(inner_.add_input(node.name, node.types[0], Role::kInput));
    }
  }

  Graph& inner() { return inner_; }
  bool has(std::size_t step) const { return values_.contains(step); }
  Value value(std::size_t step) const { return values_.at(step); }
  void set(std::size_t step, Value value) { values_[step] = value; }
  std::size_t grid_size() const {
    return std::max<std::size_t>(1, plan_.grid.size() + (parts_ > 1 ? 1 : 0));
  }

  void add(std::size_t number) {
    const BlockStep& step = plan_.block.steps[number];
    switch (step.kind) {
      case Kind::kLoad:
        return set(number, load(step));
      case Kind::kConstant:
        return set(number, inner_.constant(step.constant, step.attrs.has("dtype")
                                                              ? step.attrs.dtype("dtype")
                                                              : DType::kF32));
      case Kind::kApply:
        return set(number, inner_.add(step.op->name, operands_of(step), step.attrs));
      case Kind::kSum:
      case Kind::kLargest:
        return set(number, accumulate(value(step.operands[0]), step.kind == Kind::kLargest));
      case Kind::kRunningLargest:
        return running(number, step.operands[0]);
      case Kind::kRescaledSum:
        return set(number, rescaled(step.operands[0], step.operands[1]));
    }
  }

  // What a running maximum is when the loop has ended.
  Value last_peak(std::size_t number) { return inner_.add("after", {peaks_.at(number).state}); }

 private:
  struct Peak {
    Value state;
    Value shrink;  // e^(old - new maximum)
  };

  std::vector<Value> operands_of(const BlockStep& step) const {
    std::vector<Value> operands;
    for (const std::size_t operand : step.operands) operands.push_back(value(operand));
    return operands;
  }

  Value load(const BlockStep& step) {
    const Dims shape = inner_.type(inputs_[step.input]).shape;
    Dims grid(grid_size(), -1);
    Dims tile = shape;
    std::int64_t loop = -1;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (step.cuts[i] == kWhole) continue;
      const auto axis = static_cast<std::int64_t>(i);
      if (step.cuts[i] == kLoop) {
        loop = axis;
        tile[i] = plan_.tiling.loop_tile;
        if (parts_ > 1) grid.back() = axis;
      } else {
        const auto cut = static_cast<std::size_t>(step.cuts[i]);
        grid[cut] = axis;
        tile[i] = plan_.tiling.tile[plan_.block.grid[cut]];
      }
    }
    return inner_.add("load", {inputs_[step.input]},
                      {{"grid", grid}, {"loop", loop}, {"tile", tile}});
  }

  Type state_type(Value like) const { return {DType::kF32, inner_.type(like).shape, {}}; }

  Value accumulate(Value x, bool largest) {
    const Value state =
        inner_.add_state(largest ? "peak" : "sum", state_type(x), largest ? kLowestScore : 0.0);
    inner_.add_update(state, inner_.add(largest ? "max" : "add", {state, x}));
    return inner_.add("after", {state});
  }

  void running(std::size_t number, std::size_t operand) {
    const Value x = value(operand);
    const Value peak = inner_.add_state("peak", state_type(x), kLowestScore);
    const Value next = inner_.add("max", {peak, x});
    inner_.add_update(peak, next);
    peaks_[number] = {peak, inner_.add("exp", {inner_.add("sub", {peak, next})})};
    set(number, next);
  }

  Value rescaled(std::size_t operand, std::size_t peak) {
    const Value x = value(operand);
    const Value sum = inner_.add_state("sum", state_type(x), 0.0);
    const Value scaled = inner_.add("mul", {sum, peaks_.at(peak).shrink});
    inner_.add_update(sum, inner_.add("add", {scaled, x}));
    return inner_.add("after", {sum});
  }

  const Plan& plan_;
  std::int64_t parts_;
  Graph inner_;
  std::vector<Value> inputs_;
  std::map<std::size_t, Value> values_;
  std::map<std::size_t, Peak> peaks_;
};

// Puts the kernels together.
class Builder {
 public:
  explicit Builder(const Plan& plan) : plan_(plan) {
    out_.name = plan.program.name;
    out_.sizes = plan.program.sizes;
    for (const Input& input : plan.program.inputs) {
      const Node& node = plan.program.nodes[static_cast<std::size_t>(input.node)];
      arguments_.push_back(out_.add_input(node.name, node.types[0], input.role));
      out_.inputs.back().value = input.value;
    }
  }

  std::optional<Graph> whole() {
    Kernel kernel(plan_, 1);
    for (std::size_t i = 0; i < plan_.block.steps.size(); ++i) kernel.add(i);
    auto axes = axes_of_steps(plan_.program, plan_.block);
    if (!axes) return std::nullopt;
    axes_ = std::move(*axes);
    finish(kernel, plan_.trips());
    return std::move(out_);
  }

  // Split along the reduction: one kernel accumulates over each part of the loop, one combines.
  std::optional<Graph> split() {
    auto axes = axes_of_steps(plan_.program, plan_.block);
    if (!axes) return std::nullopt;
    axes_ = std::move(*axes);
    for (const std::size_t output : plan_.block.outputs) {
      if (loop_axis(output) >= 0) return std::nullopt;  // both kernels would have outputs
    }
    find_partials();
    if (partials_.empty() || !all_cover_the_grid()) return std::nullopt;
    Kernel first(plan_, plan_.parts());
    for (const std::size_t step : leading_to(partials_, false)) first.add(step);
    const Value parts = store_partials(first);
    Kernel second(plan_, 1);
    combine(second);
    for (const std::size_t step : leading_to(plan_.block.outputs, true)) {
      if (!second.has(step)) second.add(step);
    }
    for (std::size_t k = 0; k < partials_.size(); ++k) {
      arguments_.push_back({parts.node, static_cast<std::int32_t>(k)});
    }
    finish(second, Dim(1));
    return std::move(out_);
  }

 private:
  const BlockStep& step(std::size_t number) const { return plan_.block.steps[number]; }

  // Accumulators, and the running maxima that sums are rescaled by: what each part of the loop
  // hands on.
  void find_partials() {
    std::set<std::size_t> found;
    for (const std::size_t number : leading_to(plan_.block.outputs, true)) {
      if (!accumulates(step(number))) continue;
      found.insert(number);
      if (step(number).kind == Kind::kRescaledSum) found.insert(step(number).operands[1]);
    }
    partials_.assign(found.begin(), found.end());
  }

  // Steps that `wanted` need, in order; `after`: not what leads to an accumulator.
  std::vector<std::size_t> leading_to(const std::vector<std::size_t>& wanted, bool after) const {
    std::vector<bool> needed(plan_.block.steps.size(), false);
    for (const std::size_t number : wanted) needed[number] = true;
    std::vector<std::size_t> steps;
    for (std::size_t i = plan_.block.steps.size(); i-- > 0;) {
      if (!needed[i]) continue;
      steps.push_back(i);
      if (after && accumulates(step(i))) continue;
      for (const std::size_t operand : step(i).operands) needed[operand] = true;
    }
    std::reverse(steps.begin(), steps.end());
    return steps;
  }

  // Tasks that differ only along a dimension that a partial value does not know would write it
  // twice.
  bool all_cover_the_grid() const {
    return std::all_of(partials_.begin(), partials_.end(), [&](std::size_t number) {
      for (std::size_t g = 0; g < plan_.grid.size(); ++g) {
        const auto cut_by = [&](const TileAxis& axis) { return axis.cut == static_cast<int>(g); };
        const std::vector<TileAxis>& axes = axes_[number];
        if (plan_.grid[g] != Dim(1) && std::none_of(axes.begin(), axes.end(), cut_by)) return false;
      }
      return true;
    });
  }

  // [parts, axes of the value...], whole.
  Type partial_type(std::size_t number) const {
    Type type{DType::kF32, {plan_.parts()}, {}};
    for (const TileAxis& axis : axes_[number]) type.shape.push_back(axis.extent);
    return type;
  }

  // The axis of a partial value that each grid dimension cuts.
  Dims partial_grid(std::size_t number, std::size_t dimensions) const {
    Dims grid(dimensions, -1);
    for (std::size_t i = 0; i < axes_[number].size(); ++i) {
      const int cut = axes_[number][i].cut;
      if (cut >= 0) grid[static_cast<std::size_t>(cut)] = static_cast<std::int64_t>(i) + 1;
    }
    return grid;
  }

  Value store_partials(Kernel& kernel) {
    Graph& inner = kernel.inner();
    for (const std::size_t number : partials_) {
      const bool peak = step(number).kind == Kind::kRunningLargest;
      const Value value = peak ? kernel.last_peak(number) : kernel.value(number);
      const std::size_t rank = axes_[number].size() + 1;
      const Value lifted = inner.add(
          "add", {value, inner.add("constant", {}, {{"value", 0.0}, {"shape", Dims(rank, 1)}})});
      Dims grid = partial_grid(number, kernel.grid_size());
      grid.back() = 0;
      const Value stored =
          inner.add("store", {lifted}, {{"grid", grid}, {"shape", partial_type(number).shape}});
      inner.add_output("part" + std::to_string(number), stored);
    }
    Dims grid = plan_.grid;
    grid.emplace_back(plan_.parts());
    const Dim trips = ceil_div(plan_.trips(), plan_.parts());
    return out_.add("block", arguments_, {{"grid", grid}, {"loop", Dims{trips}}},
                    plan_.program.name + "_parts", {inner});
  }

  // Every accumulator out of its parts: x = sum of x_s e^(m_s - m) where sums were rescaled by m.
  void combine(Kernel& kernel) {
    Graph& inner = kernel.inner();
    std::map<std::size_t, Value> parts;
    for (const std::size_t number : partials_) {
      const Type type = partial_type(number);
      const Value input = inner.add_input("part" + std::to_string(number), type, Role::kInput);
      Dims tile = type.shape;
      for (std::size_t i = 0; i < axes_[number].size(); ++i) {
        const int cut = axes_[number][i].cut;
        if (cut < 0) continue;
        tile[i + 1] = plan_.tiling.tile[plan_.block.grid[static_cast<std::size_t>(cut)]];
      }
      parts[number] = inner.add("load", {input},
                                {{"grid", partial_grid(number, kernel.grid_size())},
                                 {"loop", std::int64_t{-1}},
                                 {"tile", tile}});
    }
    const auto over_parts = [&](const char* op, Value x, bool keep) {
      return inner.add(op, {x}, {{"axes", Dims{0}}, {"keepdims", keep}});
    };
    std::map<std::size_t, Value> weights;  // e^(m_s - m), by the step of the maximum
    for (const std::size_t number : partials_) {
      const BlockStep& from = step(number);
      if (from.kind == Kind::kRunningLargest) {
        const Value peak = over_parts("reduce_max", parts[number], true);
        weights[number] = inner.add("exp", {inner.add("sub", {parts[number], peak})});
      } else if (from.kind == Kind::kLargest) {
        kernel.set(number, over_parts("reduce_max", parts[number], false));
      } else if (from.kind == Kind::kSum) {
        kernel.set(number, over_parts("sum", parts[number], false));
      } else {
        // The maximum is an earlier step than the sum.
        const Value scaled = inner.add("mul", {parts[number], weights.at(from.operands[1])});
        kernel.set(number, over_parts("sum", scaled, false));
      }
    }
  }

  // The axis that the loop cuts: each iteration stores its part. -1: none.
  std::int64_t loop_axis(std::size_t step) const {
    for (std::size_t i = 0; i < axes_[step].size(); ++i) {
      if (axes_[step][i].cut == kLoop) return static_cast<std::int64_t>(i);
    }
    return -1;
  }

  // The kernel that gives the outputs.
  void finish(Kernel& kernel, const Dim& trips) {
    Graph& inner = kernel.inner();
    Dims cuts(kernel.grid_size(), -1);
    for (std::size_t g = 0; g < plan_.block.grid.size(); ++g) {
      cuts[g] = static_cast<std::int64_t>(plan_.block.grid[g]);
    }
    const std::vector<Output>& outputs = plan_.program.outputs;
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      const Type& type = plan_.program.type(outputs[k].value);
      Value value = kernel.value(plan_.block.outputs.at(k));
      if (inner.type(value).dtype != type.dtype) {
        value = inner.add("cast", {value}, {{"dtype", type.dtype}});
      }
      const Attrs place{
          {"grid", cuts}, {"loop", loop_axis(plan_.block.outputs.at(k))}, {"shape", type.shape}};
      inner.add_output(outputs[k].name, inner.add("store", {value}, place));
    }
    const Value node =
        out_.add("block", arguments_,
                 {{"grid", plan_.grid.empty() ? Dims{1} : plan_.grid}, {"loop", Dims{trips}}},
                 plan_.program.name, {inner});
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      out_.add_output(outputs[k].name, {node.node, static_cast<std::int32_t>(k)});
    }
  }

  const Plan& plan_;
  Graph out_;
  std::vector<Value> arguments_;
  std::vector<std::vector<TileAxis>> axes_;  // of each step
  std::vector<std::size_t> partials_;        // steps
};

}  // namespace

std::optional<Graph> to_graph(const Graph& program, const BlockProgram& block,
                              const Tiling& tiling) {
  Plan plan{program, block, tiling};
  if (!plan.complete()) return std::nullopt;
  // Recipes may come from a file: shapes that do not fit are found by building the whole.
  std::optional<Graph> whole = Builder(plan).whole();
  return plan.parts() > 1 ? Builder(plan).split() : std::move(whole);
}

}  // namespace lamina::search
