// layer_norm: (x - mean) / sqrt(variance + epsilon) over axes, times an optional gain, plus an
// optional bias.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/normalization.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Dims& shape = node.inputs[0].shape;
  resolve_axes(node, "axes", shape.size());
  for (const Type& factor : node.inputs.subspan(1)) {
    require(broadcast_shapes("layer_norm", shape, factor.shape) == shape,
            "layer_norm: a gain or bias {} for the shape {}", to_string(factor.shape),
            to_string(shape));
  }
  return infer_same_float(node);
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) -> Value {
    const Expr y = standardise({&g, x[0]}, node.attrs.dims("axes"), node.attrs.real("epsilon"));
    return scale_and_shift(y, x, 1, {});
  });
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 8})}},
          {.inputs = {f32({2, 3, 8}), f32({8}), f32({8})}},
          {.inputs = {f32({2, 3, 4}), f32({3, 4})}, .attrs = {{"axes", Dims{1, 2}}}}};
}

}  // namespace

OpDef layer_norm() {
  return {.name = "layer_norm",
          .kind = Kind::kRegion,
          .max_inputs = 3,
          .attrs = {{"axes", AttrKind::kDims, Dims{-1}}, {"epsilon", AttrKind::kReal, 1e-5}},
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

}  // namespace lamina::ops
