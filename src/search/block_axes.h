// The axes of what each step of a block program computes.
#pragma once

#include <optional>
#include <vector>

#include "search/block_program.h"

namespace lamina::search {

// Extents of whole axes, and what cuts them; nothing where operands are cut differently. The block
// program is one that can be built whole.
std::optional<std::vector<std::vector<TileAxis>>> axes_of_steps(const Graph& program,
                                                                const BlockProgram& block);

}  // namespace lamina::search
