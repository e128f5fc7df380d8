// Which axes of a gather are whose.
#include "search/gathers.h"

#include "graph/op_def.h"
#include "search/tiling.h"

namespace lamina::search {
namespace {

std::size_t gathered_axis(const Graph& graph, const Node& node) {
  const auto rank = static_cast<std::int64_t>(graph.type(node.inputs[0]).shape.size());
  const std::int64_t axis = node.attrs.integer("axis");
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

}  // namespace

bool is_block_gather(const Graph& graph, const Node& node) {
  if (node.op->name != "gather" || !traits(node.types[0].dtype).is_float) return false;
  for (const Value& input : node.inputs) {
    if (graph.node(input).op->name != "input") return false;
  }
  const std::size_t axis = gathered_axis(graph, node);
  const std::size_t indices = graph.type(node.inputs[1]).shape.size();
  const Dims& result = node.types[0].shape;
  std::size_t last = result.size();
  while (last > 0 && result[last - 1] == Dim(1)) --last;
  return last > axis + indices || last <= axis;
}

std::vector<int> gather_cuts(const Graph& graph, const Node& node, std::size_t operand,
                             std::span<const int> result) {
  const std::size_t axis = gathered_axis(graph, node);
  const std::size_t indices = graph.type(node.inputs[1]).shape.size();
  const auto from = result.begin() + static_cast<std::ptrdiff_t>(axis);
  const auto to = from + static_cast<std::ptrdiff_t>(indices);
  if (operand == 1) return {from, to};
  std::vector<int> cuts(result.begin(), from);
  cuts.push_back(kWhole);
  cuts.insert(cuts.end(), to, result.end());
  return cuts;
}

}  // namespace lamina::search
