// What conv and conv_transpose share.
#pragma once

#include "graph/kinds.h"
#include "graph/windows.h"

namespace lamina {

// Throws unless `filters` are a multiple of `groups`.
void check_filters(std::string_view op, const Dim& filters, const Dim& groups);
// Throws unless input 2, if present, is [channels].
void check_bias(const NodeView& node, const Dim& channels);
// `x` with `axis` split into [groups, rest].
Value split_axis(Graph& graph, Value x, std::size_t axis, const Dim& groups);
// y [n, channels, spatial...] plus the bias inputs[2], if it is there.
Value add_channel_bias(Graph& graph, Value y, std::span<const Value> inputs);

// A grouped_conv (ops/grouped_conv.cc) under differentiation.
struct GroupedConv {
  Value x;       // [n, g, c, spatial...]
  Value filter;  // [g, o, c, window...]
  Value grad;    // [n, g, o, windows...], of the result
};
// The gradients of x and of the filter. `attrs`: the strides and dilations of the operator.
std::vector<Value> grouped_conv_gradients(Graph& graph, const GroupedConv& conv, const Windows& w,
                                          const Attrs& attrs);

}  // namespace lamina
