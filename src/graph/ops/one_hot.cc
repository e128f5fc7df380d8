// one_hot: a new axis of size `depth`, holding `on` at the index and `off` elsewhere. Negative
// indices count from the end.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::size_t new_axis(const NodeView& node) {
  return static_cast<std::size_t>(
      resolve_axis("one_hot", node.attrs.integer("axis"), node.inputs[0].shape.size() + 1));
}

std::vector<Type> infer(const NodeView& node) {
  const Type& indices = node.inputs[0];
  const Dims& depth = node.attrs.dims("depth");
  require(traits(indices.dtype).is_integer, "one_hot: indices are {}, expected integers",
          traits(indices.dtype).name);
  require(depth.size() == 1, "one_hot: expected one depth, got {}", to_string(depth));
  Type out{node.attrs.dtype("dtype"), indices.shape, {}};
  out.shape.insert(out.shape.begin() + static_cast<std::ptrdiff_t>(new_axis(node)), depth[0]);
  return {out};
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) {
    const std::size_t axis = new_axis(node);
    const DType dtype = node.inputs[0].dtype;
    const Dim depth = node.attrs.dims("depth")[0];
    Dims column = node.inputs[0].shape;
    column.insert(column.begin() + static_cast<std::ptrdiff_t>(axis), 1);
    Dims line(column.size(), 1);
    line[axis] = depth;
    const Value from_end = g.add("add", {x[0], size_scalar(g, depth, dtype)});
    const Value negative = g.add("less", {x[0], scalar(g, x[0], 0.0)});
    const Value index = g.add("select", {negative, from_end, x[0]});
    const Value places = g.add(
        "iota", {}, {{"shape", line}, {"axis", static_cast<std::int64_t>(axis)}, {"dtype", dtype}});
    const Value hit = g.add("equal", {g.add("reshape", {index}, {{"shape", column}}), places});
    const DType to = node.attrs.dtype("dtype");
    return g.add("select", {hit, g.constant(node.attrs.real("on"), to),
                            g.constant(node.attrs.real("off"), to)});
  });
}

std::vector<Sample> samples() {
  const Type indices{DType::kI64, {2, 3}, {}};
  return {{.inputs = {indices},
           .attrs = {{"depth", Dims{4}}},
           .integer_ranges = {{-4, 3}},
           .differentiable = false},
          {.inputs = {indices},
           .attrs = {{"depth", Dims{4}}, {"axis", 1}, {"on", 2.0}, {"off", -1.0}},
           .integer_ranges = {{0, 6}},
           .differentiable = false}};
}

}  // namespace

OpDef one_hot() {
  return {.name = "one_hot",
          .kind = Kind::kRegion,
          .attrs = {{"depth", AttrKind::kDims, {}, true},
                    {"axis", AttrKind::kInteger, std::int64_t{-1}},
                    {"on", AttrKind::kReal, 1.0},
                    {"off", AttrKind::kReal, 0.0},
                    {"dtype", AttrKind::kDType, DType::kF32}},
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

}  // namespace lamina::ops
