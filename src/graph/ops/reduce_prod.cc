// reduce_prod: the product over axes (none listed: all).
#include "graph/reduction.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

// d/dx_i is the product of the others. Zeros are replaced by ones and counted, so that a line with
// one zero still has a gradient there, without a division by zero.
std::vector<Value> gradient(const GradientView& node) {
  Graph& g = node.graph;
  const NodeCopy self(node);
  const Value x = node.input(0);
  const Attrs kept = {{"axes", self.attrs.dims("axes")}, {"keepdims", true}};
  const Value zero = g.add("equal", {x, scalar(g, x, 0.0)});
  const Value is_zero = g.add("cast", {zero}, {{"dtype", self.types[0].dtype}});
  const Value nonzero = g.add("select", {zero, scalar(g, x, 1.0), x});
  const Value product = g.add("reduce_prod", {nonzero}, kept);
  const Value other_zeros = g.add("sub", {g.add("sum", {is_zero}, kept), is_zero});
  const Value others = g.add("select", {g.add("equal", {other_zeros, scalar(g, x, 0.0)}),
                                        g.add("div", {product, nonzero}), scalar(g, x, 0.0)});
  return {g.add("mul", {keep_reduced_axes(node, node.grads[0]), others})};
}

}  // namespace

OpDef reduce_prod() {
  OpDef op = reduction("reduce_prod", Monoid::kProd);
  op.gradient = gradient;
  return op;
}

}  // namespace lamina::ops
