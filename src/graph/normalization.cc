// Folds, standardising and channel-wise gains.
#include "graph/normalization.h"

#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina {

Expr fold(std::string_view op, const Expr& x, const Dims& axes) {
  return call(op, {x}, {{"axes", axes}, {"keepdims", true}});
}

Expr standardise(const Expr& x, const Dims& axes, double epsilon) {
  const Expr centred = x - fold("mean", x, axes);
  return centred * call("rsqrt", {fold("mean", centred * centred, axes) + epsilon});
}

Expr scale_and_shift(const Expr& x, std::span<const Value> inputs, std::size_t first,
                     const Dims& shape) {
  const auto as_factor = [&](std::size_t i) -> Expr {
    const Expr given{x.graph, inputs[i]};
    return shape.empty() ? given : call("reshape", {given}, {{"shape", shape}});
  };
  Expr y = x;
  if (inputs.size() > first) y = y * as_factor(first);
  if (inputs.size() > first + 1) y = y + as_factor(first + 1);
  return y;
}

void check_channel_input(const NodeView& node, std::size_t i, const Dim& channels) {
  if (node.inputs.size() <= i) return;
  require(node.inputs[i].shape == Dims{channels}, "{}: input {} is {} for {} channels",
          node.op.name, i, to_string(node.inputs[i].shape), channels.to_string());
}

Dims channel_shape(std::size_t rank, std::size_t axis, const Dim& channels) {
  Dims shape(rank, 1);
  shape[axis] = channels;
  return shape;
}

Dims axes_from(std::size_t first, std::size_t rank) {
  Dims axes;
  for (std::size_t i = first; i < rank; ++i) axes.push_back(static_cast<std::int64_t>(i));
  return axes;
}

std::vector<Type> infer_softmax(const NodeView& node) {
  resolve_axis(node.op.name, node.attrs.integer("axis"), node.inputs[0].shape.size());
  return infer_same_float(node);
}

std::vector<Sample> softmax_samples() {
  return {{.inputs = {f32({3, 7})}}, {.inputs = {f32({2, 5, 3})}, .attrs = {{"axis", 1}}}};
}

std::vector<Type> infer_same_float(const NodeView& node) {
  const Type& x = node.inputs[0];
  require(traits(x.dtype).is_float, "{}: expected a float input, got {}", node.op.name,
          traits(x.dtype).name);
  return {{element_dtype(x), x.shape, {}}};
}

}  // namespace lamina
