// How large integer inputs may be: the shortest axis that each of them indexes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

// Per graph input: the extent of the shortest axis that is indexed by it, or by integers computed
// from it; nullopt when it indexes nothing.
std::vector<std::optional<std::int64_t>> index_limits(const Graph& graph, const Sizes& sizes);

}  // namespace lamina
