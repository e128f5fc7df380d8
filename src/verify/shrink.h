// Checking large programs at small sizes.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "lamina/verify.h"

namespace lamina {

// Both graphs with the same map of sizes applied; nullopt when either cannot be shrunk.
std::optional<std::pair<Graph, Graph>> shrink_pair(const Graph& a, const Graph& b,
                                                   std::int64_t limit);

}  // namespace lamina
