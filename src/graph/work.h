// How much there is to compute in one run of a graph.
#pragma once

#include "lamina/graph.h"

namespace lamina {

// Floating-point operations by the operators' own counts; moves are free.
double count_flops(const Graph& graph, const Sizes& sizes);
double count_flops(const Graph& graph, const Node& node, const Sizes& sizes);

}  // namespace lamina
