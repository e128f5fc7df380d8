// mean: the sum over axes (none listed: all), divided by the number of elements.
#include "graph/reduction.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) {
    const Dims& shape = node.inputs[0].shape;
    Dim count = 1;
    for (const int axis : resolve_axes(node, "axes", shape.size())) {
      count = count * shape[static_cast<std::size_t>(axis)];
    }
    const Value total = g.add("sum", {x[0]}, node.attrs);
    return g.add("div", {total, size_scalar(g, count, g.type(total).dtype)});
  });
}

}  // namespace

OpDef mean() {
  OpDef op = reduction("mean", Monoid::kSum);
  op.loop_form = nullptr;
  op.expand = expand;
  return op;
}

}  // namespace lamina::ops
