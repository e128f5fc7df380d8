// sum: over axes (none listed: over all).
#include "graph/gradient_rules.h"
#include "graph/reduction.h"

namespace lamina::ops {
namespace {

std::vector<Value> gradient(const GradientView& node) {
  const Value spread = keep_reduced_axes(node, node.grads[0]);
  return {node.graph.add("broadcast", {spread}, {{"shape", node.type(node.input(0)).shape}})};
}

}  // namespace

OpDef sum() {
  OpDef op = reduction("sum", Monoid::kSum);
  op.gradient = gradient;
  return op;
}

}  // namespace lamina::ops
