// Choosing cones, and computing them on tiles.
#include "search/cones.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "graph/op_def.h"
#include "search/block_space.h"
#include "search/gathers.h"
#include "search/region.h"

namespace lamina::search {
namespace {

bool is_input(const Graph& graph, NodeId n) {
  return graph.nodes[static_cast<std::size_t>(n)].op->name == "input";
}

bool is_literal(const Node& node) {
  return node.op->name == "constant" && node.types[0].shape.empty();
}

// All that leads to a node, itself included, without inputs and literals; ascending.
std::vector<NodeId> cone_of(const Graph& graph, NodeId root) {
  std::vector<bool> inside(graph.nodes.size(), false);
  inside[static_cast<std::size_t>(root)] = true;
  std::vector<NodeId> cone;
  for (NodeId n = root; n >= 0; --n) {
    if (!inside[static_cast<std::size_t>(n)] || is_input(graph, n)) continue;
    const Node& node = graph.nodes[static_cast<std::size_t>(n)];
    if (!is_literal(node)) cone.push_back(n);
    for (const Value& input : node.inputs) inside[static_cast<std::size_t>(input.node)] = true;
  }
  std::reverse(cone.begin(), cone.end());
  return cone;
}

class Collapser {
 public:
  Collapser(const Graph& graph, std::size_t most)
      : graph_(graph), most_(most), hidden_(graph.nodes.size(), false) {}

  std::optional<Collapsed> run() {
    for (const NodeId n : operator_nodes(graph_)) {
      if (!is_arithmetic(n)) hide(n);
    }
    while (left() > most_ && hide_best()) {
    }
    for (const NodeId n : operator_nodes(graph_)) {
      if (hidden(n) && !can_hide(n)) return std::nullopt;
    }
    return left() == 0 ? std::nullopt : std::optional(build());
  }

 private:
  const Node& node(NodeId n) const { return graph_.nodes[static_cast<std::size_t>(n)]; }
  bool hidden(NodeId n) const { return hidden_[static_cast<std::size_t>(n)]; }
  bool is_float(NodeId n) const { return traits(node(n).types[0].dtype).is_float; }

  bool is_arithmetic(NodeId n) const {
    if (!is_float(n)) return false;
    const std::vector<Value>& inputs = node(n).inputs;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      if (!is_float(inputs[k].node) && !(k == 0 && node(n).op->name == "select")) return false;
    }
    return true;
  }

  // Cones are computed by every task that reads them: no products. Outputs are never inputs.
  bool can_hide(NodeId n) const {
    const bool output = std::any_of(graph_.outputs.begin(), graph_.outputs.end(),
                                    [&](const Output& o) { return o.value.node == n; });
    if (output || node(n).op->name == "matmul") return false;
    return BlockSpace::is_tile_operator(graph_, node(n)) || is_block_gather(graph_, node(n));
  }

  void hide(NodeId root) {
    for (const NodeId n : cone_of(graph_, root)) hidden_[static_cast<std::size_t>(n)] = true;
  }

  std::size_t left() const {
    const std::vector<NodeId> all = operator_nodes(graph_);
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](NodeId n) { return !hidden(n); }));
  }

  // Of the cones that nothing outside reads but for their roots: the smallest that is enough, or
  // the largest.
  bool hide_best() {
    NodeId best = -1;
    std::size_t best_size = 0;
    const std::size_t needed = left() - most_;
    for (const NodeId root : operator_nodes(graph_)) {
      const std::size_t size = hidden(root) ? 0 : closed_size(root);
      if (size < 2) continue;
      const bool enough = size >= needed;
      const bool best_enough = best_size >= needed;
      if (best < 0 || (enough ? !best_enough || size < best_size : size > best_size)) {
        best = root;
        best_size = size;
      }
    }
    if (best >= 0) hide(best);
    return best >= 0;
  }

  // How many nodes the cone would hide; 0 where it cannot.
  std::size_t closed_size(NodeId root) const {
    const std::vector<NodeId> cone = cone_of(graph_, root);
    const auto inside = [&](NodeId n) { return std::binary_search(cone.begin(), cone.end(), n); };
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (inside(static_cast<NodeId>(n))) continue;
      for (const Value& input : graph_.nodes[n].inputs) {
        if (input.node != root && inside(input.node) && !hidden(input.node)) return 0;
      }
    }
    std::size_t size = 0;
    for (const NodeId n : cone) {
      if (!can_hide(n)) return 0;
      size += hidden(n) ? 0 : 1;
    }
    return size;
  }

  Collapsed build() const {
    Region rest;
    for (const NodeId n : operator_nodes(graph_)) {
      if (!hidden(n)) rest.nodes.push_back(n);
    }
    const Border edge = border(graph_, rest);
    Collapsed result{cut(graph_, rest), edge.inputs};
    std::vector<Output> outputs;
    for (const Output& output : graph_.outputs) {
      const auto at = std::find(edge.outputs.begin(), edge.outputs.end(), output.value);
      outputs.push_back(
          result.program.outputs[static_cast<std::size_t>(at - edge.outputs.begin())]);
      outputs.back().name = output.name;
    }
    result.program.outputs = std::move(outputs);
    return result;
  }

  const Graph& graph_;
  std::size_t most_;
  std::vector<bool> hidden_;
};

// Writes the steps of a program over the original.
class Restorer {
 public:
  Restorer(const BlockProgram& found, const Collapsed& collapsed, const Graph& graph)
      : found_(found), collapsed_(collapsed), graph_(graph) {}

  BlockProgram run() {
    result_.grid = found_.grid;
    result_.loops = found_.loops;
    result_.split = found_.split;
    std::vector<std::size_t> numbers;
    for (const BlockStep& step : found_.steps) {
      if (step.kind == BlockStep::Kind::kLoad) {
        numbers.push_back(tile(collapsed_.inputs[step.input].node, step.cuts));
        continue;
      }
      BlockStep copy = step;
      for (std::size_t& operand : copy.operands) operand = numbers[operand];
      numbers.push_back(add(std::move(copy)));
    }
    for (const std::size_t output : found_.outputs) result_.outputs.push_back(numbers[output]);
    return std::move(result_);
  }

 private:
  using Cuts = std::vector<int>;

  std::size_t add(BlockStep step) {
    result_.steps.push_back(std::move(step));
    return result_.steps.size() - 1;
  }

  // The tile of a node's value, cut so.
  std::size_t tile(NodeId n, const Cuts& cuts) {
    const auto known = tiles_.find({n, cuts});
    if (known != tiles_.end()) return known->second;
    const Node& node = graph_.nodes[static_cast<std::size_t>(n)];
    BlockStep step;
    if (is_input(graph_, n)) {
      step.kind = BlockStep::Kind::kLoad;
      const auto at = std::find_if(graph_.inputs.begin(), graph_.inputs.end(),
                                   [&](const Input& input) { return input.node == n; });
      step.input = static_cast<std::size_t>(at - graph_.inputs.begin());
      step.cuts = cuts;
    } else if (is_literal(node)) {
      step.kind = BlockStep::Kind::kConstant;
      step.constant = node.attrs.real("value");
      if (!traits(node.types[0].dtype).is_float) step.attrs.set("dtype", node.types[0].dtype);
    } else {
      step.op = node.op;
      step.attrs = node.attrs;
      for (std::size_t k = 0; k < node.inputs.size(); ++k) {
        step.operands.push_back(tile(node.inputs[k].node, operand_cuts(node, k, cuts)));
      }
    }
    return tiles_[{n, cuts}] = add(std::move(step));
  }

  // How an operand must be cut for the result to be.
  Cuts operand_cuts(const Node& node, std::size_t operand, const Cuts& cuts) const {
    if (node.op->name == "gather") return gather_cuts(graph_, node, operand, cuts);
    const Dims& in = graph_.type(node.inputs[operand]).shape;
    Cuts result(in.size(), kWhole);
    if (const auto axis = BlockSpace::reduced_axis(graph_, node)) {
      const std::size_t at = in.size() - *axis;
      for (std::size_t i = 0; i < in.size(); ++i) {
        if (i != at) result[i] = cuts[i > at && !node.attrs.flag("keepdims") ? i - 1 : i];
      }
      return result;
    }
    if (node.op->name == "transpose") {
      result = cuts;
      std::swap(result[in.size() - 1], result[in.size() - 2]);
      return result;
    }
    const Dims& out = node.types[0].shape;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const std::size_t at = out.size() - in.size() + i;
      if (in[i] == out[at]) result[i] = cuts[at];
    }
    return result;
  }

  const BlockProgram& found_;
  const Collapsed& collapsed_;
  const Graph& graph_;
  BlockProgram result_;
  std::map<std::pair<NodeId, Cuts>, std::size_t> tiles_;
};

}  // namespace

std::optional<Collapsed> collapse(const Graph& program, std::size_t most) {
  return Collapser(program, most).run();
}

BlockProgram restore(const BlockProgram& found, const Collapsed& collapsed, const Graph& program) {
  return Restorer(found, collapsed, program).run();
}

}  // namespace lamina::search
