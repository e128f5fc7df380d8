// Operations of a run, node by node.
#include "graph/work.h"

#include "graph/op_def.h"

namespace lamina {
namespace {

// How often the body of a block graph runs.
double count_tasks(const Node& node, const Sizes& sizes) {
  double tasks = 1.0;
  for (const char* attr : {"grid", "loop"}) {
    if (!node.attrs.has(attr)) continue;
    for (const Dim& dim : node.attrs.dims(attr)) tasks *= static_cast<double>(dim.evaluate(sizes));
  }
  return tasks;
}

}  // namespace

double count_flops(const Graph& graph, const Node& node, const Sizes& sizes) {
  std::vector<Type> types;
  const NodeView seen = view(graph, node, types);
  double flops = 0.0, points = 0.0;
  if (node.op->loop_form != nullptr) {
    points = static_cast<double>(element_count(evaluate(node.op->loop_form(seen).extents, sizes)));
  } else if (node.op->kind == Kind::kElementwise) {
    points = static_cast<double>(element_count(evaluate(node.types[0].shape, sizes)));
  } else if (node.op->expand != nullptr) {
    flops += count_flops(node.op->expand(seen), sizes);
  }
  if (node.op->kind == Kind::kRegion) {
    for (const Graph& inner : node.graphs) {
      flops += count_tasks(node, sizes) * count_flops(inner, sizes);
    }
  }
  return flops + points * node.op->flops;
}

double count_flops(const Graph& graph, const Sizes& sizes) {
  double flops = 0.0;
  for (const Node& node : graph.nodes) flops += count_flops(graph, node, sizes);
  return flops;
}

}  // namespace lamina
