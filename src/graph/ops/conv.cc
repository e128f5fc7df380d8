// conv: x [n, c, spatial...] with the filters w [o, c / groups, window...] and an optional bias [o]
// gives [n, o, windows...] (a correlation: filters are not flipped).
#include "base/check.h"
#include "graph/convolution.h"
#include "graph/gradient_rules.h"
#include "graph/windows.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Dims& x = node.inputs[0].shape;
  const Dims& w = node.inputs[1].shape;
  const Dim groups = node.attrs.integer("groups");
  require(x.size() >= 2 && x.size() == w.size(),
          "conv: input {} and filter {} need the same rank, at least 2", to_string(x),
          to_string(w));
  require(x[1] == w[1] * groups, "conv: input has {} channels but the filter expects {}",
          x[1].to_string(), (w[1] * groups).to_string());
  check_filters("conv", w[0], groups);
  check_bias(node, w[0]);
  const Windows windows = read_windows(node, {x.begin() + 2, x.end()}, {w.begin() + 2, w.end()});
  Dims shape = {x[0], w[0]};
  shape.insert(shape.end(), windows.count.begin(), windows.count.end());
  return {{promote(node.inputs[0].dtype, node.inputs[1].dtype), shape, {}}};
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) {
    const Dim groups = node.attrs.integer("groups");
    Attrs attrs = node.attrs;
    attrs.erase("groups");
    const Value y = g.add("grouped_conv",
                          {split_axis(g, x[0], 1, groups), split_axis(g, x[1], 0, groups)}, attrs);
    return add_channel_bias(g, g.add("reshape", {y}, {{"shape", infer(node)[0].shape}}), x);
  });
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 3, 7}), f32({4, 3, 3}), f32({4})}, .attrs = {{"strides", Dims{2}}}},
          {.inputs = {f32({1, 4, 5, 6}), f32({6, 2, 3, 2})},
           .attrs = {{"groups", 2},
                     {"strides", Dims{2, 1}},
                     {"dilations", Dims{1, 2}},
                     {"pads_low", Dims{1, 2}},
                     {"pads_high", Dims{2, 0}}}},
          {.inputs = {f32({1, 3, 8}), f32({3, 1, 3})},
           .attrs = {{"groups", 3}, {"pads_low", Dims{1}}, {"pads_high", Dims{1}}}}};
}

}  // namespace

OpDef conv() {
  OpDef op{.name = "conv",
           .kind = Kind::kRegion,
           .min_inputs = 2,
           .max_inputs = 3,
           .attrs = window_attrs(),
           .infer = infer,
           .expand = expand,
           .samples = samples};
  op.attrs.push_back({"groups", AttrKind::kInteger, std::int64_t{1}});
  return op;
}

}  // namespace lamina::ops
