// group_norm: x [n, c, spatial...] standardised over each of `groups` groups of channels, times an
// optional gain [c], plus an optional bias [c].
#include "base/check.h"
#include "graph/convolution.h"
#include "graph/gradient_rules.h"
#include "graph/normalization.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Dims& shape = node.inputs[0].shape;
  require(shape.size() >= 2, "group_norm: expected [n, channels, ...], got {}", to_string(shape));
  const std::int64_t groups = node.attrs.integer("groups");
  require(groups > 0 && floor_div(shape[1], groups) * Dim(groups) == shape[1],
          "group_norm: {} channels cannot be shared out to {} groups", shape[1].to_string(),
          groups);
  check_channel_input(node, 1, shape[1]);
  check_channel_input(node, 2, shape[1]);
  return infer_same_float(node);
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) -> Value {
    const Dims& shape = node.inputs[0].shape;
    const Expr grouped{&g, split_axis(g, x[0], 1, node.attrs.integer("groups"))};
    const Expr even =
        standardise(grouped, axes_from(2, shape.size() + 1), node.attrs.real("epsilon"));
    return scale_and_shift(call("reshape", {even}, {{"shape", shape}}), x, 1,
                           channel_shape(shape.size(), 1, shape[1]));
  });
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 4, 5}), f32({4}), f32({4})}, .attrs = {{"groups", 2}}},
          {.inputs = {f32({1, 3, 2, 3})}, .attrs = {{"groups", 1}}}};
}

}  // namespace

OpDef group_norm() {
  return {.name = "group_norm",
          .kind = Kind::kRegion,
          .max_inputs = 3,
          .attrs = {{"groups", AttrKind::kInteger, {}, true}, {"epsilon", AttrKind::kReal, 1e-5}},
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

}  // namespace lamina::ops
