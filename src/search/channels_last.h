// The proof that a model with channels last computes the same
// (docs/design/convolution.md).
#pragma once

#include "graph/channels_last.h"
#include "lamina/verify.h"

namespace lamina::search {

// The identity test of the change, node by node: that each moved node gives, from operands with
// channels last, its result with channels last. By induction over the nodes the graphs are equal
// then. Nodes that differ only in sizes are tested once, at small sizes. The weakest verdict, with
// bits for all of them together.
Verdict prove_channels_last(const Graph& graph, const ChannelsLast& changed);

}  // namespace lamina::search
