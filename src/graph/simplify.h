// Rewriting graphs without changing what they mean: composites expanded, equal nodes merged, dead
// nodes gone.
#pragma once

#include <functional>

#include "graph/op_def.h"

namespace lamina {

// True for operators whose only meaning is expand().
bool is_composite(const OpDef& op);

// The same inputs (in order, even unused ones, and before all other nodes), outputs and updates;
// every node whose operator `expands` is replaced by its expansion, again and again. Nodes are in
// an order in which they can run. Inner graphs are left alone: whoever compiles them simplifies
// them.
Graph simplify(const Graph& graph, const std::function<bool(const OpDef&)>& expands = is_composite);

// Removes the nodes that no output and no update needs; inputs stay.
void drop_dead_nodes(Graph& graph);

}  // namespace lamina
