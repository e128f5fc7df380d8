// rms_norm: x / sqrt(mean(x^2 over axes) + epsilon), times an optional gain.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  resolve_axes(node, "axes", node.inputs[0].shape.size());
  return infer_float(node);
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) {
    const Dims& axes = node.attrs.dims("axes");
    const Value squares = g.add("mul", {x[0], x[0]});
    const Value mean = g.add("mean", {squares}, {{"axes", axes}, {"keepdims", true}});
    const Value shifted = g.add("add", {mean, scalar(g, x[0], node.attrs.real("epsilon"))});
    const Value y = g.add("mul", {x[0], g.add("rsqrt", {shifted})});
    return x.size() == 1 ? y : g.add("mul", {y, x[1]});
  });
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 8})}}, {.inputs = {f32({2, 3, 8}), f32({8})}}};
}

}  // namespace

OpDef rms_norm() {
  return {.name = "rms_norm",
          .kind = Kind::kRegion,
          .max_inputs = 2,
          .attrs = {{"axes", AttrKind::kDims, Dims{-1}}, {"epsilon", AttrKind::kReal, 1e-6}},
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

}  // namespace lamina::ops
