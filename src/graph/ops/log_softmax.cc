// log_softmax: x - log of the sum of exp(x) along `axis`, shifted by the maximum.
#include "graph/gradient_rules.h"
#include "graph/normalization.h"

namespace lamina::ops {
namespace {

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> inputs) -> Value {
    const Dims axes = {node.attrs.integer("axis")};
    const Expr x{&g, inputs[0]};
    const Expr shifted = x - fold("reduce_max", x, axes);
    return shifted - call("log", {fold("sum", call("exp", {shifted}), axes)});
  });
}

std::vector<Value> gradient(const GradientView& node) {
  const Dims axes = {node.attrs().integer("axis")};
  const Expr g = grad_of(node);
  return {g - call("exp", {output_of(node)}) * fold("sum", g, axes)};
}

}  // namespace

OpDef log_softmax() {
  return {.name = "log_softmax",
          .kind = Kind::kRegion,
          .attrs = {{"axis", AttrKind::kInteger, std::int64_t{-1}}},
          .infer = infer_softmax,
          .expand = expand,
          .gradient = gradient,
          .samples = softmax_samples};
}

}  // namespace lamina::ops
