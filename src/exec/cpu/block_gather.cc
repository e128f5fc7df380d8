// Axes, cuts and limits of gathers.
#include "exec/cpu/block_gather.h"

#include <algorithm>

#include "base/check.h"

namespace lamina::cpu {

bool is_gather(const Node& node) { return node.op->name == "gather"; }

GatherAxes gather_axes(const Graph& graph, const Node& node) {
  const auto rank = std::ssize(graph.type(node.inputs[0]).shape);
  const std::int64_t axis = node.attrs.integer("axis");
  return {static_cast<std::size_t>(axis < 0 ? axis + rank : axis),
          graph.type(node.inputs[1]).shape.size()};
}

void check_gather(const BlockPlan& plan, NodeId id) {
  const Node& node = plan.node(id);
  for (const Value& input : node.inputs) {
    if (plan.node(input.node).op->name == "load") continue;
    fail(ErrorCode::kUnsupported, "block: gather of '{}', which is not loaded",
         plan.node(input.node).name);
  }
  const GatherAxes axes = gather_axes(plan.graph, node);
  const Dims& shape = plan.shape(id);
  std::size_t last = shape.size();
  while (last > 0 && shape[last - 1] == Dim(1)) --last;
  if (last <= axes.axis || last > axes.axis + axes.indices) return;
  fail(ErrorCode::kUnsupported, "block: gather of single elements of '{}'",
       plan.node(node.inputs[0].node).name);
}

std::vector<int> gather_cuts(const BlockPlan& plan, NodeId id) {
  const Node& node = plan.node(id);
  const GatherAxes axes = gather_axes(plan.graph, node);
  const std::vector<int>& table = plan.value(node.inputs[0].node).cuts;
  const std::vector<int>& indices = plan.value(node.inputs[1].node).cuts;
  std::vector<int> cuts(plan.shape(id).size(), -1);
  for (std::size_t a = 0; a < table.size(); ++a) {
    if (a != axes.axis) cuts[axes.of_table(a)] = table[a];
  }
  for (std::size_t a = 0; a < indices.size(); ++a) cuts[axes.of_indices(a)] = indices[a];
  return cuts;
}

const Place& loaded_place(const BlockValue& value) {
  return value.source ? *value.source : value.place;
}

}  // namespace lamina::cpu
