// batch_norm: inference with known statistics, (x - mean) / sqrt(variance + epsilon) * gain + bias,
// inputs x, gain, bias, mean, variance: one number per channel, channels being `axis`.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/normalization.h"

namespace lamina::ops {
namespace {

std::size_t channel_axis(const NodeView& node) {
  return static_cast<std::size_t>(
      resolve_axis("batch_norm", node.attrs.integer("axis"), node.inputs[0].shape.size()));
}

std::vector<Type> infer(const NodeView& node) {
  const Dim channels = node.inputs[0].shape[channel_axis(node)];
  for (std::size_t i = 1; i < node.inputs.size(); ++i) check_channel_input(node, i, channels);
  return infer_same_float(node);
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> inputs) -> Value {
    const Dims& shape = node.inputs[0].shape;
    const std::size_t axis = channel_axis(node);
    const auto channel = [&](std::size_t i) {
      return call("reshape", {Expr{&g, inputs[i]}},
                  {{"shape", channel_shape(shape.size(), axis, shape[axis])}});
    };
    const Expr scale = channel(1) * call("rsqrt", {channel(4) + node.attrs.real("epsilon")});
    return (Expr{&g, inputs[0]} - channel(3)) * scale + channel(2);
  });
}

std::vector<Sample> samples() {
  const Type channels = f32({3});
  return {
      {.inputs = {f32({2, 3, 5}), channels, channels, channels, channels}, .low = 0.5, .high = 2.0},
      {.inputs = {f32({4, 3}), channels, channels, channels, channels},
       .attrs = {{"axis", -1}, {"epsilon", 0.1}},
       .low = 0.5,
       .high = 2.0}};
}

}  // namespace

OpDef batch_norm() {
  return {
      .name = "batch_norm",
      .kind = Kind::kRegion,
      .min_inputs = 5,
      .max_inputs = 5,
      .attrs = {{"axis", AttrKind::kInteger, std::int64_t{1}}, {"epsilon", AttrKind::kReal, 1e-5}},
      .infer = infer,
      .expand = expand,
      .samples = samples};
}

}  // namespace lamina::ops
