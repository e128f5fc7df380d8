// Gradients of convolutions with channels last.
//
// Towards x: along an axis of stride s, element i of x meets filter elements k = q + s j with
// q = (i + low) mod s only. So for each of the s phases q the gradient is a convolution of stride 1
// with the filter elements of that phase, flipped; all phases are filters of one convolution, whose
// columns are then put in place. Without strides it is the flipped filter. Preparing filters
// depends on weights alone.
#include "graph/conv_last_gradients.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "graph/convolution.h"

namespace lamina {
namespace {

constexpr std::int64_t kMostParts = 16;  // shares of a batch in a filter's gradient

Value reshape(Graph& g, Value v, Dims shape) {
  return g.add("reshape", {v}, {{"shape", std::move(shape)}});
}

Value transpose(Graph& g, Value v, Dims axes) {
  return g.add("transpose", {v}, {{"axes", std::move(axes)}});
}

// `v` with its last axis as axis 1, or back.
Value move_channels(Graph& g, Value v, bool last) {
  const auto rank = static_cast<std::int64_t>(g.type(v).shape.size());
  Dims axes = {0};
  for (std::int64_t i = last ? 2 : 1; i < (last ? rank : rank - 1); ++i) axes.push_back(i);
  axes.insert(last ? axes.end() : axes.begin() + 1, last ? 1 : rank - 1);
  return transpose(g, v, axes);
}

// Those of the same convolution with groups as an axis and channels before the spatial axes.
std::vector<Value> grouped_gradients(Graph& g, const ConvLast& conv, const Windows& windows,
                                     const Attrs& attrs) {
  const Dims filter = g.type(conv.filter).shape;
  const auto grouped = [&](Value v) {
    const Value first = move_channels(g, v, false);
    Dims shape = g.type(first).shape;
    shape.insert(shape.begin() + (conv.depthwise ? 2 : 1), 1);
    return reshape(g, first, shape);
  };
  Dims split = filter;
  split.insert(split.begin() + (conv.depthwise ? 1 : 0), 1);
  const GroupedConv same{grouped(conv.x), reshape(g, conv.filter, split), grouped(conv.grad)};
  const std::vector<Value> grads = grouped_conv_gradients(g, same, windows, attrs);
  Dims shape = g.type(grads[0]).shape;
  shape.erase(shape.begin() + (conv.depthwise ? 2 : 1));
  return {move_channels(g, reshape(g, grads[0], shape), true), reshape(g, grads[1], filter)};
}

// One spatial axis of the convolution towards x.
struct Axis {
  std::int64_t stride = 1;
  std::int64_t taps = 1;  // of a phase
  Dim first;              // the first u = floor((i + low) / s)
  Dim count;              // of u
  Dim low;                // padding of the gradient
  Dim high;
  Dim skip;  // elements before the first of x
};

// With dilation 1 where there are strides; else taps are filter elements.
Axis axis_of(const Windows& w, std::size_t i, const Dim& extent) {
  Axis axis;
  axis.stride = w.stride[i];
  const Dim s = axis.stride;
  axis.taps = ceil_div(w.size[i], s).constant_part();
  axis.first = floor_div(w.low[i], s);
  const Dim last = floor_div(extent - Dim(1) + w.low[i], s);
  axis.count = last - axis.first + Dim(1);
  axis.low = Dim(axis.taps - 1) * Dim(w.dilation[i]) - axis.first;
  axis.high = last + Dim(1) - w.count[i];
  axis.skip = w.low[i] - s * axis.first;
  return axis;
}

// [o, c, window...] as the filters [phases..., c, o, taps...] that go over the gradient.
Value phase_filters(Graph& g, const ConvLast& conv, const std::vector<Axis>& axes) {
  const Dims shape = g.type(conv.filter).shape;
  const auto rank = static_cast<std::int64_t>(axes.size());
  Dims high(shape.size(), 0), split = {shape[0], shape[1]};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    high[2 + i] = Dim(axes[i].taps * axes[i].stride) - shape[2 + i];
    split.insert(split.end(), {axes[i].taps, axes[i].stride});
  }
  const bool whole =
      std::all_of(high.begin(), high.end(), [](const Dim& d) { return d == Dim(0); });
  const Value padded = whole ? conv.filter : g.add("pad", {conv.filter}, {{"high", high}});
  const Value phases = reshape(g, padded, split);  // [o, c, (taps, phase)...]
  Dims start(split.size(), 0), step(split.size(), 1), order;
  Dims joined = {shape[1]};
  for (std::int64_t i = 0; i < rank; ++i) {
    const auto tap = static_cast<std::size_t>(2 + 2 * i);
    start[tap] = split[tap] - Dim(1);
    step[tap] = -1;
    order.push_back(3 + 2 * i);
    joined[0] = joined[0] * split[tap + 1];
  }
  const Value flipped =
      g.add("slice", {phases}, {{"start", start}, {"size", split}, {"step", step}});
  order.insert(order.end(), {1, 0});
  joined.push_back(shape[0]);
  for (std::int64_t i = 0; i < rank; ++i) {
    order.push_back(2 + 2 * i);
    joined.push_back(split[static_cast<std::size_t>(2 + 2 * i)]);
  }
  return reshape(g, transpose(g, flipped, order), joined);
}

// [n, u..., phases..., c] as [n, spatial..., c].
Value interleave(Graph& g, Value sums, const std::vector<Axis>& axes, const Dims& x) {
  const auto rank = static_cast<std::int64_t>(axes.size());
  Dims split = {x[0]}, order = {0}, joined = {x[0]}, start = {0};
  for (const Axis& axis : axes) split.push_back(axis.count);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    split.push_back(axes[i].stride);
    const auto place = static_cast<std::int64_t>(i);
    order.insert(order.end(), {1 + place, 1 + rank + place});
    joined.push_back(axes[i].count * Dim(axes[i].stride));
    start.push_back(axes[i].skip);
  }
  split.push_back(x.back());
  order.push_back(1 + 2 * rank);
  joined.push_back(x.back());
  start.push_back(0);
  const Value whole = reshape(g, transpose(g, reshape(g, sums, split), order), joined);
  return g.add("slice", {whole}, {{"start", start}, {"size", x}});
}

Value input_gradient(Graph& g, const ConvLast& conv, const Windows& w) {
  const Dims x = g.type(conv.x).shape;
  std::vector<Axis> axes;
  Dims low, high, dilations;
  bool strided = false;
  for (std::size_t i = 0; i < w.rank(); ++i) {
    axes.push_back(axis_of(w, i, x[1 + i]));
    low.push_back(axes.back().low);
    high.push_back(axes.back().high);
    dilations.push_back(w.dilation[i]);
    strided = strided || w.stride[i] != 1;
  }
  const Value sums = g.add("conv_last", {conv.grad, phase_filters(g, conv, axes)},
                           {{"dilations", dilations}, {"pads_low", low}, {"pads_high", high}});
  return strided ? interleave(g, sums, axes, x) : sums;
}

// A window of one element: a product whose rows are then put in place.
Value spread_gradient(Graph& g, const ConvLast& conv, const Windows& w) {
  const Dims x = g.type(conv.x).shape;
  Dims swapped = {1, 0}, high(x.size()), interior(x.size());
  for (std::size_t i = 0; i < w.rank(); ++i) {
    swapped.push_back(static_cast<std::int64_t>(2 + i));
    interior[1 + i] = w.stride[i] - 1;
    high[1 + i] = x[1 + i] - ((w.count[i] - Dim(1)) * Dim(w.stride[i]) + Dim(1));
  }
  const Value sums = g.add("conv_last", {conv.grad, transpose(g, conv.filter, swapped)});
  return g.add("pad", {sums}, {{"high", high}, {"interior", interior}});
}

// As many equal shares as the batch has, up to kMostParts; 1 for a batch of unknown size.
std::int64_t parts_of(const Dim& batch) {
  std::int64_t parts = batch.is_constant() ? kMostParts : 1;
  while (parts > 1 && batch.constant_part() % parts != 0) --parts;
  return parts;
}

Value filter_gradient(Graph& g, const ConvLast& conv, const Windows& w, Attrs attrs) {
  attrs.erase("depthwise");
  attrs.set("window", w.size);
  attrs.set("parts", parts_of(g.type(conv.x).shape[0]));
  const Value parts = g.add("conv_last_filters", {conv.x, conv.grad}, attrs);
  const Value sums = g.add("sum", {parts}, {{"axes", Dims{0}}});
  const auto rank = static_cast<std::int64_t>(w.rank());
  Dims order = {rank + 1, rank};
  for (std::int64_t i = 0; i < rank; ++i) order.push_back(i);
  return transpose(g, sums, order);
}

}  // namespace

std::vector<Value> conv_last_gradients(Graph& graph, const ConvLast& conv, const Windows& windows,
                                       const Attrs& attrs) {
  bool direct = !conv.depthwise, single = true;
  for (std::size_t i = 0; i < windows.rank(); ++i) {
    direct = direct && windows.size[i].is_constant() && windows.low[i].is_constant() &&
             (windows.stride[i] == 1 || windows.dilation[i] == 1);
    single = single && windows.size[i] == Dim(1) && windows.low[i] == Dim(0) &&
             windows.high[i] == Dim(0);
  }
  if (!direct) return grouped_gradients(graph, conv, windows, attrs);
  return {single ? spread_gradient(graph, conv, windows) : input_gradient(graph, conv, windows),
          filter_gradient(graph, conv, windows, attrs)};
}

}  // namespace lamina
