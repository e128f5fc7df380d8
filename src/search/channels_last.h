// Another layout for convolutional models: channels behind the spatial axes
// (docs/design/convolution.md).
#pragma once

#include <optional>
#include <vector>

#include "lamina/graph.h"
#include "lamina/verify.h"

namespace lamina::search {

// A graph in which convolutions with constant filters, and what stands between them, keep channels
// last; transposes stand where the layouts meet.
struct ChannelsLast {
  Graph graph;
  std::vector<NodeId> moved;  // nodes of the old graph that compute in the new layout
};

// The new layout of a graph whose composites are not expanded yet. Nothing when it has no such
// convolution.
std::optional<ChannelsLast> channels_last(const Graph& graph);

// The identity test of the change, node by node: that each moved node gives, from operands with
// channels last, its result with channels last. By induction over the nodes the graphs are equal
// then. Nodes that differ only in sizes are tested once, at small sizes. The weakest verdict, with
// bits for all of them together.
Verdict prove_channels_last(const Graph& graph, const ChannelsLast& changed);

}  // namespace lamina::search
