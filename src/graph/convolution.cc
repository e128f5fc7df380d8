// Groups, bias and gradients of convolutions.
#include "graph/convolution.h"

#include "base/check.h"

namespace lamina {
namespace {

constexpr std::size_t kLeading = 3;  // axes of grouped operands before the spatial ones

// `v` with axes 0, 1, 2 in another order.
Value reorder(Graph& g, Value v, Dims axes) {
  for (std::size_t i = kLeading; i < g.type(v).shape.size(); ++i) {
    axes.push_back(static_cast<std::int64_t>(i));
  }
  return g.add("transpose", {v}, {{"axes", axes}});
}

Value flip_windows(Graph& g, Value filter) {
  const Dims size = g.type(filter).shape;
  Dims start(size.size()), step(size.size(), 1);
  for (std::size_t i = kLeading; i < size.size(); ++i) {
    start[i] = size[i] - Dim(1);
    step[i] = -1;
  }
  return g.add("slice", {filter}, {{"start", start}, {"size", size}, {"step", step}});
}

// The gradient spread out by the strides, convolved with the flipped filters.
Value input_gradient(Graph& g, const GroupedConv& conv, const Windows& w, const Attrs& attrs) {
  const Dims shape = g.type(conv.x).shape;
  Dims low(kLeading), high(kLeading), interior(kLeading);
  for (std::size_t i = 0; i < w.rank(); ++i) {
    const Dim spread = (w.count[i] - Dim(1)) * Dim(w.stride[i]) + Dim(1);
    low.push_back(w.reach(i) - Dim(1) - w.low[i]);
    high.push_back(shape[kLeading + i] + w.reach(i) - Dim(1) - spread - low.back());
    interior.push_back(w.stride[i] - 1);
  }
  const Value spread =
      g.add("pad", {conv.grad}, {{"low", low}, {"high", high}, {"interior", interior}});
  const Value filter = reorder(g, flip_windows(g, conv.filter), {0, 2, 1});
  return g.add("grouped_conv", {spread, filter}, {{"dilations", attrs.dims("dilations")}});
}

// The input convolved with the gradient: batch and channels change places, and so do strides and
// dilations.
Value filter_gradient(Graph& g, const GroupedConv& conv, const Windows& w, const Attrs& attrs) {
  const Dims shape = g.type(conv.x).shape;
  Dims high;
  for (std::size_t i = 0; i < w.rank(); ++i) {
    const Dim spread = (w.count[i] - Dim(1)) * Dim(w.stride[i]) + Dim(1);
    high.push_back(w.reach(i) - Dim(1) + spread - shape[kLeading + i] - w.low[i]);
  }
  const Value x = reorder(g, conv.x, {2, 1, 0});
  const Value grad = reorder(g, conv.grad, {1, 2, 0});
  const Value y = g.add("grouped_conv", {x, grad},
                        {{"strides", attrs.dims("dilations")},
                         {"dilations", attrs.dims("strides")},
                         {"pads_low", w.low},
                         {"pads_high", high}});
  return reorder(g, y, {1, 2, 0});
}

}  // namespace

void check_filters(std::string_view op, const Dim& filters, const Dim& groups) {
  require(groups.constant_part() > 0, "{}: {} groups", op, groups.to_string());
  require(!filters.is_constant() || filters.constant_part() % groups.constant_part() == 0,
          "{}: {} filters cannot be shared out to {} groups", op, filters.to_string(),
          groups.to_string());
}

void check_bias(const NodeView& node, const Dim& channels) {
  if (node.inputs.size() < 3) return;
  require(node.inputs[2].shape == Dims{channels}, "{}: a bias {} for {} output channels",
          node.op.name, to_string(node.inputs[2].shape), channels.to_string());
}

Value split_axis(Graph& graph, Value x, std::size_t axis, const Dim& groups) {
  Dims shape = graph.type(x).shape;
  shape[axis] = floor_div(shape[axis], groups);
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), groups);
  return graph.add("reshape", {x}, {{"shape", shape}});
}

Value add_channel_bias(Graph& graph, Value y, std::span<const Value> inputs) {
  if (inputs.size() < 3) return y;
  Dims shape(graph.type(y).shape.size() - 1, 1);
  shape[0] = graph.type(inputs[2]).shape[0];
  return graph.add("add", {y, graph.add("reshape", {inputs[2]}, {{"shape", shape}})});
}

std::vector<Value> grouped_conv_gradients(Graph& graph, const GroupedConv& conv, const Windows& w,
                                          const Attrs& attrs) {
  return {input_gradient(graph, conv, w, attrs), filter_gradient(graph, conv, w, attrs)};
}

}  // namespace lamina
