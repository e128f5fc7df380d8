// Layers of a model that follow each other and differ in nothing but their weights.
#pragma once

#include "lamina/graph.h"

namespace lamina::draw {

// Positions [first, first + period * times) of `ids` hold `times` equal layers of `period` nodes.
// times = 0: there are none.
struct Repeat {
  std::size_t first = 0;
  std::size_t period = 0;
  std::size_t times = 0;
};

// The repetition in `ids` (nodes that are no inputs, in order) that saves most. From the second
// layer on all layers read the layer before, or the same outside, in the same way.
Repeat find_repeat(const Graph& graph, const std::vector<NodeId>& ids);

}  // namespace lamina::draw
