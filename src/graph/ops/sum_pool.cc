// sum_pool: the sum of every window.
#include "graph/gradient_rules.h"
#include "graph/shaping.h"
#include "graph/windows.h"

namespace lamina::ops {
namespace {

// Every element receives the gradients of the windows that cover it: the sums, with stride 1, of
// the gradients spread out by the stride.
std::vector<Value> gradient(const GradientView& node) {
  const NodeCopy self(node);
  const Dims& shape = self.types[0].shape;
  const Windows w = pooling_windows(self.view());
  const std::size_t first = shape.size() - w.rank();
  Dims low(shape.size()), high(shape.size()), interior(shape.size());
  for (std::size_t i = 0; i < w.rank(); ++i) {
    const Dim spread = (w.count[i] - Dim(1)) * Dim(w.stride[i]) + Dim(1);
    low[first + i] = w.reach(i) - Dim(1) - w.low[i];
    high[first + i] = shape[first + i] + w.reach(i) - Dim(1) - spread - low[first + i];
    interior[first + i] = w.stride[i] - 1;
  }
  const Value spread = node.graph.add("pad", {node.grads[0]},
                                      {{"low", low}, {"high", high}, {"interior", interior}});
  return {node.graph.add(
      "sum_pool", {spread},
      {{"window", self.attrs.dims("window")}, {"dilations", self.attrs.dims("dilations")}})};
}

}  // namespace

OpDef sum_pool() {
  OpDef op = pooling("sum_pool", Kind::kReduce);
  op.loop_form = pooling_form;
  op.monoid = Monoid::kSum;
  op.gradient = gradient;
  return op;
}

}  // namespace lamina::ops
