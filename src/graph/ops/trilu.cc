// trilu: keeps the elements on and above (`upper`) or on and below diagonal `k` of the last two
// axes, and zeroes the others.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Type& x = node.inputs[0];
  require(x.shape.size() >= 2, "trilu: expected a matrix, got the shape {}", to_string(x.shape));
  return {{element_dtype(x), x.shape, {}}};
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) {
    const Dims& shape = node.inputs[0].shape;
    const Value row = g.add("iota", {}, {{"shape", Dims{shape[shape.size() - 2], 1}}});
    const Value column = g.add("iota", {}, {{"shape", Dims{shape.back()}}});
    const Value diagonal = g.add("sub", {column, row});
    const Value k = g.constant(static_cast<double>(node.attrs.integer("k")), DType::kI64);
    const Value outside =
        node.attrs.flag("upper") ? g.add("less", {diagonal, k}) : g.add("less", {k, diagonal});
    return g.add("select", {outside, scalar(g, x[0], 0.0), x[0]});
  });
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({4, 5})}},
          {.inputs = {f32({2, 4, 3})}, .attrs = {{"upper", false}, {"k", -1}}}};
}

}  // namespace

OpDef trilu() {
  return {.name = "trilu",
          .kind = Kind::kRegion,
          .attrs = {{"upper", AttrKind::kFlag, true}, {"k", AttrKind::kInteger, std::int64_t{0}}},
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

}  // namespace lamina::ops
