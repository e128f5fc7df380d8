// instance_norm: every channel of every sample of x [n, c, spatial...] standardised over its
// spatial axes, times an optional gain [c], plus an optional bias [c].
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/normalization.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Dims& shape = node.inputs[0].shape;
  require(shape.size() >= 3, "instance_norm: expected [n, channels, spatial...], got {}",
          to_string(shape));
  check_channel_input(node, 1, shape[1]);
  check_channel_input(node, 2, shape[1]);
  return infer_same_float(node);
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) -> Value {
    const Dims& shape = node.inputs[0].shape;
    const Expr even =
        standardise({&g, x[0]}, axes_from(2, shape.size()), node.attrs.real("epsilon"));
    return scale_and_shift(even, x, 1, channel_shape(shape.size(), 1, shape[1]));
  });
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 3, 5}), f32({3}), f32({3})}}, {.inputs = {f32({1, 2, 3, 3})}}};
}

}  // namespace

OpDef instance_norm() {
  return {.name = "instance_norm",
          .kind = Kind::kRegion,
          .max_inputs = 3,
          .attrs = {{"epsilon", AttrKind::kReal, 1e-5}},
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

}  // namespace lamina::ops
