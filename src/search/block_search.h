// The search over all grids and loops of one subprogram.
#pragma once

#include "search/candidates.h"

namespace lamina::search {

// The cheapest block programs of the whole subprogram, cheapest first; none where it is no block
// program or too large.
Candidates search_blocks(const Graph& program, const Limits& limits);

}  // namespace lamina::search
