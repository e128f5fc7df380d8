// The third level of a block program: what generated code computes in one pass, between reading its
// operands from memory and writing what it leaves there, as nodes `thread` with inner graphs. The
// emitters decide it while they write a kernel and note it here; nothing is decided for the
// picture.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "exec/cpu/block_plan.h"

namespace lamina::cpu {

// A nest of loops over a tile, or a product.
struct ThreadPass {
  std::vector<NodeId> values;   // what it computes and leaves in memory or in an output
  std::optional<Value> addend;  // of a product that goes on from what lies there: read, not made
  Dims tile;                    // elements that are in registers at once
  std::int64_t lanes = 1;       // that one instruction works on
};

// The inner graph of a block node with the passes of its kernel; as it is where that is a
// convolution.
Graph block_threads(const EmitContext& context);

// The graph of the plan with its passes, in the order in which they run, as thread nodes.
Graph thread_graph(const BlockPlan& plan, std::span<const ThreadPass> passes);

}  // namespace lamina::cpu
