// Pictures of graphs: nodes as boxes, tensors with dtype, shape and the memory that they live in.
#pragma once

#include <string>

#include "lamina/graph.h"

namespace lamina {

// An SVG picture of the graph, for a file of its own or inside a page; light and dark. Regions are
// frames around their inner graphs: of a block graph the grid, the loads, what runs before, in and
// after the loop, accumulators and stores. Layers that repeat are drawn once.
std::string draw_svg(const Graph& graph);

}  // namespace lamina
