// Gathers in blocks: slices of a table that a tensor of indices names. A task loads its tile of the
// indices and sees the table whole along the axis that they index; other axes are cut as those of
// the result.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "lamina/graph.h"

namespace lamina::search {

// A gather of floats from one input by another, of slices that lie together: rows of a table, not
// elements along its last axis.
bool is_block_gather(const Graph& graph, const Node& node);

// How an operand of such a gather (0: the table, 1: the indices) is cut where the result is cut so.
std::vector<int> gather_cuts(const Graph& graph, const Node& node, std::size_t operand,
                             std::span<const int> result);

}  // namespace lamina::search
