// The axes of what each step of a block program computes.
#pragma once

#include <vector>

#include "search/block_program.h"

namespace lamina::search {

// Extents of whole axes, and what cuts them. Loads fit the inputs of `program`.
std::vector<std::vector<TileAxis>> axes_of_steps(const Graph& program, const BlockProgram& block);

}  // namespace lamina::search
