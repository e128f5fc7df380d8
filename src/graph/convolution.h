// What conv and conv_transpose share.
#pragma once

#include "graph/kinds.h"

namespace lamina {

// Throws unless `filters` are a multiple of `groups`.
void check_filters(std::string_view op, const Dim& filters, const Dim& groups);
// Throws unless input 2, if present, is [channels].
void check_bias(const NodeView& node, const Dim& channels);
// `x` with `axis` split into [groups, rest].
Value split_axis(Graph& graph, Value x, std::size_t axis, const Dim& groups);
// y [n, channels, spatial...] plus the bias inputs[2], if it is there.
Value add_channel_bias(Graph& graph, Value y, std::span<const Value> inputs);

}  // namespace lamina
