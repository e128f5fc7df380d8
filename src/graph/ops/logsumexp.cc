// logsumexp: log of the sum of exp(x) over axes (none listed: all), shifted by the maximum (unless
// that is infinite: then the answer is).
#include "graph/gradient_rules.h"
#include "graph/normalization.h"
#include "graph/reduction.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  infer_same_float(node);
  return infer_reduction(node);
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> inputs) -> Value {
    const Dims& axes = node.attrs.dims("axes");
    const Expr x{&g, inputs[0]};
    const Expr largest = fold("reduce_max", x, axes);
    const Expr shift = select(call("is_inf", {largest}), number(x, 0.0), largest);
    const Expr total = fold("sum", call("exp", {x - shift}), axes);
    const Expr y = call("log", {total}) + shift;
    return call("reshape", {y}, {{"shape", infer(node)[0].shape}});
  });
}

std::vector<Value> gradient(const GradientView& node) {
  Graph* graph = &node.graph;
  const Expr y{graph, keep_reduced_axes(node, node.output())};
  const Expr g{graph, keep_reduced_axes(node, node.grads[0])};
  return {g * call("exp", {input_of(node, 0) - y})};
}

}  // namespace

OpDef logsumexp() {
  OpDef op = reduction("logsumexp", Monoid::kSum);
  op.loop_form = nullptr;
  op.infer = infer;
  op.expand = expand;
  op.samples = float_reduction_samples;
  op.gradient = gradient;
  return op;
}

}  // namespace lamina::ops
