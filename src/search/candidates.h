// The candidate generator: equal programs for one subprogram. The rule-based first version; the
// search over block graphs takes this function's place, everything around it stays.
#pragma once

#include <string>
#include <vector>

#include "lamina/device.h"
#include "lamina/graph.h"
#include "search/region.h"
#include "search/tiling.h"

namespace lamina::search {

// A way to run a prepared subprogram: some of its regions as block nodes, the rest unfused. A
// recipe applies to any program of the same structure, so that it can be checked on a small
// instance (other sizes, smaller tiles) of what it will run on.
struct Recipe {
  struct Part {
    Region region;
    Tiling tiling;
  };
  std::vector<Part> parts;

  std::string describe() const;
};

// Null when a part cannot be tiled.
std::optional<Graph> apply(const Graph& prepared, const Recipe& recipe);

// What limits tilings: from the machine, never from a constant in the search.
struct Limits {
  int threads = 1;
  std::int64_t cache_bytes = 512 << 10;  // memory of one core that a task should stay in
  std::size_t candidates = 8;            // per fusion
};

// Recipes in the order in which they should be tried.
std::vector<Recipe> generate(const Graph& prepared, const Limits& limits);

// The recipe for a smaller instance: tiles that still cut their axes, raggedly where possible.
Recipe shrink(const Recipe& recipe, const Graph& prepared, const Graph& small);

}  // namespace lamina::search
