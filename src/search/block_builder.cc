// Block graphs out of block programs.
#include <map>

#include "base/check.h"
#include "graph/op_def.h"
#include "search/block_program.h"

namespace lamina::search {
namespace {

using Kind = BlockStep::Kind;

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
        return block_.constant(step.constant,
                               step.attrs.has("dtype") ? step.attrs.dtype("dtype") : DType::kF32);
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

std::optional<Graph> to_graph(const Graph& program, const BlockProgram& block,
                              const Tiling& tiling) {
  return Builder(program, block, tiling).run();
}

}  // namespace lamina::search
