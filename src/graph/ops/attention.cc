// attention: softmax(scale * q k^T + mask) v with grouped queries. q [b, hq, s, d],
// k [b, hkv, t, d], v [b, hkv, t, dv]; every hq / hkv query heads share one key-value head.
//
// `scale` is 1 / sqrt(d) unless given. Query row i stands at position i + `offset` (t - s unless
// given: the queries are the last of the keys' positions). `causal` hides later positions,
// `window` > 0 those `window` or more earlier. The mask (optional, broadcast to [b, hq, s, t]) is
// added to the scores or, if bool, hides where false. A row that sees nothing is NaN.
#include <cmath>
#include <limits>

#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/normalization.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

// The axes by their names above.
struct Sizes {
  Dim b, hq, s, d, hkv, t, dv, group;

  explicit Sizes(const NodeView& node) {
    const Dims& q = node.inputs[0].shape;
    const Dims& k = node.inputs[1].shape;
    const Dims& v = node.inputs[2].shape;
    require(q.size() == 4 && k.size() == 4 && v.size() == 4,
            "attention: expected [batch, heads, rows, width], got {}, {}, {}", to_string(q),
            to_string(k), to_string(v));
    b = q[0], hq = q[1], s = q[2], d = q[3], hkv = k[1], t = k[2], dv = v[3];
    require(k[0] == b && v[0] == b, "attention: batches of {}, {} and {}", b.to_string(),
            k[0].to_string(), v[0].to_string());
    require(k[3] == d, "attention: queries have {} elements but keys have {}", d.to_string(),
            k[3].to_string());
    require(v[1] == hkv && v[2] == t, "attention: keys {} and values {} differ in heads or rows",
            to_string(k), to_string(v));
    group = floor_div(hq, hkv);
    require(group * hkv == hq, "attention: {} query heads cannot share {} key heads",
            hq.to_string(), hkv.to_string());
  }
};

std::vector<Type> infer(const NodeView& node) {
  const Sizes n(node);
  if (node.inputs.size() > 3) {
    const Dims& mask = node.inputs[3].shape;
    const Dims scores = {n.b, n.hq, n.s, n.t};
    require(mask.size() <= 4 && broadcast_shapes("attention", scores, mask) == scores,
            "attention: a mask {} for scores {}", to_string(mask), to_string(scores));
  }
  return {{infer_same_float(node)[0].dtype, {n.b, n.hq, n.s, n.dv}, {}}};
}

double score_scale(const NodeView& node, const Sizes& n) {
  if (node.attrs.has("scale")) return node.attrs.real("scale");
  require(n.d.is_constant(), "attention: a width {} that depends on sizes needs a scale",
          n.d.to_string());
  return 1.0 / std::sqrt(static_cast<double>(n.d.constant_part()));
}

// The mask over [b, hkv, group, s, t].
Expr grouped_mask(const NodeView& node, const Sizes& n, const Expr& mask) {
  Dims shape = node.inputs[3].shape;
  if (shape.size() < 3) return mask;
  const auto heads = shape.end() - 3;
  const bool one = *heads == Dim(1);
  *heads = one ? Dim(1) : n.group;
  shape.insert(shape.end() - 3, one ? Dim(1) : n.hkv);
  return call("reshape", {mask}, {{"shape", shape}});
}

// How many positions the keys [t] lie before the queries [s, 1]; negative: after them.
Expr distance(const NodeView& node, const Sizes& n, Graph& g) {
  const Dim offset = node.attrs.has("offset") ? node.attrs.dims("offset").at(0) : n.t - n.s;
  const Expr row{&g, g.add("iota", {}, {{"shape", Dims{n.s, 1}}})};
  const Expr column{&g, g.add("iota", {}, {{"shape", Dims{n.t}}})};
  return row + Expr{&g, size_scalar(g, offset, DType::kI64)} - column;
}

Expr hide(const NodeView& node, const Sizes& n, Expr scores, std::span<const Value> inputs) {
  Graph& g = *scores.graph;
  const Expr hidden = number(scores, -std::numeric_limits<double>::infinity());
  const std::int64_t window = node.attrs.integer("window");
  if (node.attrs.flag("causal") || window > 0) {
    const Expr before = distance(node, n, g);
    if (node.attrs.flag("causal")) {
      scores = select(call("less", {before, number(before, 0.0)}), hidden, scores);
    }
    if (window > 0) {
      const Expr last = number(before, static_cast<double>(window) - 1.0);
      scores = select(call("less", {last, before}), hidden, scores);
    }
  }
  if (inputs.size() < 4) return scores;
  const Expr mask = grouped_mask(node, n, {&g, inputs[3]});
  const bool flags = node.inputs[3].dtype == DType::kBool;
  return flags ? select(mask, scores, hidden) : scores + mask;
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> inputs) -> Value {
    const Sizes n(node);
    const auto as = [&](const Expr& x, Dims shape) {
      return call("reshape", {x}, {{"shape", std::move(shape)}});
    };
    const Expr q = as({&g, inputs[0]}, {n.b, n.hkv, n.group, n.s, n.d});
    const Expr turned = call("transpose", {Expr{&g, inputs[1]}}, {{"axes", Dims{0, 1, 3, 2}}});
    const Expr k = as(turned, {n.b, n.hkv, 1, n.d, n.t});
    const Expr v = as({&g, inputs[2]}, {n.b, n.hkv, 1, n.t, n.dv});
    const Expr scores = call("matmul", {q, k}) * score_scale(node, n);
    const Expr odds = call("softmax", {hide(node, n, scores, inputs)});
    return as(call("matmul", {odds, v}), {n.b, n.hq, n.s, n.dv});
  });
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 4, 3, 8}), f32({2, 2, 5, 8}), f32({2, 2, 5, 6})}},
          {.inputs = {f32({1, 2, 5, 4}), f32({1, 2, 5, 4}), f32({1, 2, 5, 4})},
           .attrs = {{"causal", true}, {"window", 2}}},
          {.inputs = {f32({1, 2, 3, 4}), f32({1, 1, 5, 4}), f32({1, 1, 5, 4}), f32({3, 5})},
           .attrs = {{"causal", true}, {"scale", 0.3}}},
          {.inputs = {f32({2, 4, 3, 4}), f32({2, 2, 3, 4}), f32({2, 2, 3, 4}), f32({1, 4, 3, 3})}}};
}

}  // namespace

OpDef attention() {
  return {.name = "attention",
          .kind = Kind::kRegion,
          .min_inputs = 3,
          .max_inputs = 4,
          .attrs = {{"scale", AttrKind::kReal, {}, false},
                    {"causal", AttrKind::kFlag, false},
                    {"window", AttrKind::kInteger, std::int64_t{0}},
                    {"offset", AttrKind::kDims, {}, false}},
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

}  // namespace lamina::ops
