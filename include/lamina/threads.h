// The third level of programs: what one pass of the generated code keeps in registers.
#pragma once

#include <string_view>

#include "lamina/graph.h"

namespace lamina {

// The graph with what its blocks compute gathered into nodes `thread`, one for each pass of the
// code that is generated for `target`: a chain of element-wise operators and reductions that share
// a nest of loops, or a product in register tiles. It computes the same, and can be printed, drawn
// and checked like any other. Blocks for which there is no code, and convolutions, stay as they
// are. `target`: "cpu" (this processor), "cuda:sm_80", "cuda:sm_90".
Graph with_thread_graphs(const Graph& graph, std::string_view target);

}  // namespace lamina
