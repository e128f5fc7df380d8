// Gathers of block kernels: slices of a table are read where they lie, in runs along the last axis.
#pragma once

#include <vector>

#include "exec/cpu/block_plan.h"

namespace lamina::cpu {

bool is_gather(const Node& node);

// The axes of a gather's result: those of the table before the axis that is indexed, those of the
// indices, those of the table after it.
struct GatherAxes {
  std::size_t axis = 0;     // of the table
  std::size_t indices = 0;  // how many axes the indices have

  // The axis of the result that axis `a` of the table, or of the indices, becomes.
  std::size_t of_table(std::size_t a) const { return a < axis ? a : a + indices - 1; }
  std::size_t of_indices(std::size_t a) const { return axis + a; }
};
GatherAxes gather_axes(const Graph& graph, const Node& node);

// Throws kUnsupported unless table and indices are loads and the slices are more than elements.
void check_gather(const BlockPlan& plan, NodeId id);

// The ragged cuts of the result.
std::vector<int> gather_cuts(const BlockPlan& plan, NodeId id);

// Where a load lies in its input, copied to scratch or not.
const Place& loaded_place(const BlockValue& value);

}  // namespace lamina::cpu
