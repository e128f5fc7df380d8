// conv_transpose: what conv with these attributes does to gradients. x [n, c, spatial...] with the
// filters w [c, o / groups, window...] and an optional bias [o]; output_padding lengthens the end.
#include "base/check.h"
#include "graph/convolution.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"
#include "graph/windows.h"

namespace lamina::ops {
namespace {

// Spatial geometry: how x is padded so that a plain convolution with the flipped filters follows.
struct Geometry {
  Dims low, high, interior;  // of all axes of the grouped x
  Dims extents;              // of the output
};

Geometry geometry(const NodeView& node) {
  const Dims& x = node.inputs[0].shape;
  const Dims& w = node.inputs[1].shape;
  const std::size_t rank = x.size() - 2;
  const std::vector<std::int64_t> stride = numbers_per_axis(node, "strides", rank, 1);
  const Dims dilation = per_axis(node, "dilations", rank, 1);
  const Dims cut_low = per_axis(node, "pads_low", rank, 0);
  const Dims cut_high = per_axis(node, "pads_high", rank, 0);
  const Dims longer = per_axis(node, "output_padding", rank, 0);
  Geometry result{Dims(3), Dims(3), Dims(3), {}};
  for (std::size_t i = 0; i < rank; ++i) {
    require(stride[i] > 0, "conv_transpose: stride {} of axis {}", stride[i], i);
    const Dim reach = (w[2 + i] - Dim(1)) * dilation[i];
    result.low.push_back(reach - cut_low[i]);
    result.high.push_back(reach - cut_high[i] + longer[i]);
    result.interior.push_back(stride[i] - 1);
    result.extents.push_back((x[2 + i] - Dim(1)) * Dim(stride[i]) + reach + Dim(1) - cut_low[i] -
                             cut_high[i] + longer[i]);
  }
  return result;
}

std::vector<Type> infer(const NodeView& node) {
  const Dims& x = node.inputs[0].shape;
  const Dims& w = node.inputs[1].shape;
  const Dim groups = node.attrs.integer("groups");
  require(x.size() >= 2 && x.size() == w.size(),
          "conv_transpose: input {} and filter {} need the same rank, at least 2", to_string(x),
          to_string(w));
  require(x[1] == w[0], "conv_transpose: input has {} channels but the filter expects {}",
          x[1].to_string(), w[0].to_string());
  check_filters("conv_transpose", w[0], groups);
  const Dim filters = w[1] * groups;
  check_bias(node, filters);
  Dims shape = {x[0], filters};
  for (const Dim& extent : geometry(node).extents) {
    require(!extent.is_constant() || extent.constant_part() >= 0,
            "conv_transpose: the padding cuts off the whole output of input {} and filter {}",
            to_string(x), to_string(w));
    shape.push_back(extent);
  }
  return {{promote(node.inputs[0].dtype, node.inputs[1].dtype), shape, {}}};
}

// [c, o, window...] as [groups, o, c / groups, flipped window...].
Value flipped_filters(Graph& g, Value w, const Dim& groups) {
  const Dims size = g.type(w).shape;
  Dims start(size.size()), step(size.size(), 1), axes = {0, 2, 1};
  for (std::size_t i = 2; i < size.size(); ++i) {
    start[i] = size[i] - Dim(1);
    step[i] = -1;
    axes.push_back(static_cast<std::int64_t>(i + 1));
  }
  const Value flipped = g.add("slice", {w}, {{"start", start}, {"size", size}, {"step", step}});
  return g.add("transpose", {split_axis(g, flipped, 0, groups)}, {{"axes", axes}});
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) {
    const Dim groups = node.attrs.integer("groups");
    const Geometry at = geometry(node);
    const Value spread = g.add("pad", {split_axis(g, x[0], 1, groups)},
                               {{"low", at.low}, {"high", at.high}, {"interior", at.interior}});
    const Value y = g.add("grouped_conv", {spread, flipped_filters(g, x[1], groups)},
                          {{"dilations", node.attrs.dims("dilations")}});
    return add_channel_bias(g, g.add("reshape", {y}, {{"shape", infer(node)[0].shape}}), x);
  });
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 3, 4}), f32({3, 2, 3}), f32({2})}, .attrs = {{"strides", Dims{2}}}},
          {.inputs = {f32({1, 4, 3, 4}), f32({4, 3, 3, 2})},
           .attrs = {{"groups", 2},
                     {"strides", Dims{2, 3}},
                     {"dilations", Dims{2, 1}},
                     {"pads_low", Dims{1, 0}},
                     {"pads_high", Dims{2, 1}},
                     {"output_padding", Dims{1, 0}}}}};
}

}  // namespace

OpDef conv_transpose() {
  OpDef op{.name = "conv_transpose",
           .kind = Kind::kRegion,
           .min_inputs = 2,
           .max_inputs = 3,
           .attrs = window_attrs(),
           .infer = infer,
           .expand = expand,
           .samples = samples};
  op.attrs.push_back({"groups", AttrKind::kInteger, std::int64_t{1}});
  op.attrs.push_back({"output_padding", AttrKind::kDims, Dims{}});
  return op;
}

}  // namespace lamina::ops
