// Cutting a model into subprograms that are worth fusing.
#pragma once

#include <vector>

#include "lamina/graph.h"
#include "search/region.h"

namespace lamina::search {

// Disjoint convex regions of a prepared graph, each of which can be tiled as one block: an
// attention, or a product with what follows and prepares it, or a run of element-wise operators
// and reductions. Nodes in no region (reshapes, gathers, lone operators) stay as they are.
std::vector<Region> partition(const Graph& prepared);

}  // namespace lamina::search
