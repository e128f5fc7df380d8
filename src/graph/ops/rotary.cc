// rotary: position embedding by rotation (arXiv:2104.09864). x [..., t, d] and tables cos, sin
// [t, r / 2] (or with leading axes that broadcast): of each line of x the first r elements are
// pairs that are turned by the table's angle; the rest passes through. Pairs are (i, i + r / 2),
// or with `interleaved` (2 i, 2 i + 1).
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/normalization.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Dims& x = node.inputs[0].shape;
  const Dims& cos = node.inputs[1].shape;
  const Dims& sin = node.inputs[2].shape;
  require(cos == sin, "rotary: tables {} and {} differ", to_string(cos), to_string(sin));
  require(x.size() >= 2 && cos.size() >= 2, "rotary: input {} and tables {} need two axes or more",
          to_string(x), to_string(cos));
  const Dim rest = x.back() - Dim(2) * cos.back();
  require(!rest.is_constant() || rest.constant_part() >= 0,
          "rotary: tables of {} angles for lines of {} elements", cos.back().to_string(),
          x.back().to_string());
  Dims pairs = x;
  pairs.back() = cos.back();
  require(broadcast_shapes("rotary", pairs, cos) == pairs, "rotary: tables {} for the input {}",
          to_string(cos), to_string(x));
  return infer_same_float(node);
}

// `size` elements from `start` on of the last axis.
Expr columns(const Expr& x, const Dim& start, const Dim& size) {
  Dims sizes = x.graph->type(x).shape;
  Dims starts(sizes.size());
  starts.back() = start;
  sizes.back() = size;
  return call("slice", {x}, {{"start", starts}, {"size", sizes}});
}

Expr join(const Expr& a, const Expr& b) { return call("concat", {a, b}, {{"axis", -1}}); }

// x [..., r] with its pairs turned.
Expr turn(const Expr& x, const Expr& cos, const Expr& sin, bool interleaved) {
  const Dims shape = x.graph->type(x).shape;
  const Dim half = floor_div(shape.back(), 2);
  if (!interleaved) {
    const Expr a = columns(x, 0, half);
    const Expr b = columns(x, half, half);
    return join(a * cos - b * sin, b * cos + a * sin);
  }
  Dims pairs = shape;
  pairs.back() = half;
  Dims split = pairs;
  split.push_back(2);
  const Expr by_pair = call("reshape", {x}, {{"shape", split}});
  const Expr a = call("reshape", {columns(by_pair, 0, 1)}, {{"shape", pairs}});
  const Expr b = call("reshape", {columns(by_pair, 1, 1)}, {{"shape", pairs}});
  Dims single = pairs;
  single.push_back(1);
  const Expr first = call("reshape", {a * cos - b * sin}, {{"shape", single}});
  const Expr second = call("reshape", {b * cos + a * sin}, {{"shape", single}});
  return call("reshape", {join(first, second)}, {{"shape", shape}});
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> inputs) -> Value {
    const DType dtype = node.op.infer(node)[0].dtype;
    const auto table = [&](std::size_t i) {
      const Expr given{&g, inputs[i]};
      return node.inputs[i].dtype == dtype ? given : call("cast", {given}, {{"dtype", dtype}});
    };
    const Expr x{&g, inputs[0]};
    const Dim width = node.inputs[0].shape.back();
    const Dim turned = Dim(2) * node.inputs[1].shape.back();
    const Expr pairs = turned == width ? x : columns(x, 0, turned);
    const Expr y = turn(pairs, table(1), table(2), node.attrs.flag("interleaved"));
    return turned == width ? y : join(y, columns(x, turned, width - turned));
  });
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 3, 5, 8}), f32({5, 4}), f32({5, 4})}},
          {.inputs = {f32({2, 5, 7}), f32({5, 2}), f32({5, 2})}, .attrs = {{"interleaved", true}}}};
}

}  // namespace

OpDef rotary() {
  return {.name = "rotary",
          .kind = Kind::kRegion,
          .min_inputs = 3,
          .max_inputs = 3,
          .attrs = {{"interleaved", AttrKind::kFlag, false}},
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

}  // namespace lamina::ops
