// The candidate generator: equal programs for one subprogram. Small subprograms are searched
// (block_space.h); those that are too large for it are tiled by rules.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lamina/device.h"
#include "lamina/graph.h"
#include "search/block_program.h"
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
    std::optional<BlockProgram> program;  // what was searched; else derived from the tiling
  };
  std::vector<Part> parts;

  std::string describe() const;
};

// Null when a part cannot be tiled.
std::optional<Graph> apply(const Graph& prepared, const Recipe& recipe);

// What limits tilings: from the machine, never from a constant in the search.
struct Limits {
  int threads = 1;
  std::size_t candidates = 8;  // per fusion
  std::function<bool()> stop;  // asked now and then
  BlockMachine machine = {};   // what programs are priced with
};

// The nodes that only feed products, not follow one: norms and other preparations of operands.
Region prologue(const Graph& program);

// Recipes in the order in which they should be tried, and what the search for them did.
struct Candidates {
  std::vector<Recipe> recipes;
  SpaceStatistics statistics;
  double seconds = 0.0;
};
Candidates generate(const Graph& prepared, const Limits& limits);

// The recipe for a smaller instance: tiles that still cut their axes, raggedly where possible.
Recipe shrink(const Recipe& recipe, const Graph& prepared, const Graph& small);

}  // namespace lamina::search
