// Moves inside blocks: most are views of the tile they read.
#pragma once

#include "exec/cpu/block_plan.h"

namespace lamina::cpu {

// The copy that a move consists of. Throws kUnsupported when it is several.
Copy only_copy(const Graph& graph, const Node& node);
// The loop that walks axis `axis` of the copy's output, or -1.
int loop_of(const Copy& copy, int axis);
// The axis of the operand that output axis `axis` walks, or -1.
int source_axis(const Graph& graph, const Node& node, int axis);
// Where the output of a move lies, seen in the memory of its operand. Throws kUnsupported when it
// cannot be seen there.
Place view_place(const Graph& graph, const Node& node, const BlockValue& from);

}  // namespace lamina::cpu
