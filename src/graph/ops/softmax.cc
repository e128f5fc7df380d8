// softmax: exp(x) / sum of exp(x) along `axis`, shifted by the maximum so that nothing overflows.
#include "graph/gradient_rules.h"
#include "graph/normalization.h"

namespace lamina::ops {
namespace {

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> inputs) -> Value {
    const Dims axes = {node.attrs.integer("axis")};
    const Expr x{&g, inputs[0]};
    const Expr powers = call("exp", {x - fold("reduce_max", x, axes)});
    return powers / fold("sum", powers, axes);
  });
}

std::vector<Value> gradient(const GradientView& node) {
  const Dims axes = {node.attrs().integer("axis")};
  const Expr g = grad_of(node);
  const Expr y = output_of(node);
  return {y * (g - fold("sum", g * y, axes))};
}

}  // namespace

OpDef softmax() {
  return {.name = "softmax",
          .kind = Kind::kRegion,
          .attrs = {{"axis", AttrKind::kInteger, std::int64_t{-1}}},
          .infer = infer_softmax,
          .expand = expand,
          .gradient = gradient,
          .samples = softmax_samples};
}

}  // namespace lamina::ops
