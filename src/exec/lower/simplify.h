// The graph that a device lowers: composites expanded, equal nodes merged, dead nodes gone.
#pragma once

#include "lamina/graph.h"

namespace lamina::lower {

// The same inputs (in order, even unused ones), outputs and updates. Nodes are in an order in which
// they can run. Inner graphs are left alone: whoever compiles them simplifies them.
Graph simplify(const Graph& graph);

}  // namespace lamina::lower
