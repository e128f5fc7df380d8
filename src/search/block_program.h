// One block program out of a space: which way computes each value, and the graph for given tiles.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/graph.h"
#include "search/block_space.h"
#include "search/tiling.h"

namespace lamina::search {

struct BlockProgram {
  std::vector<std::size_t> grid;  // axes of the first output that are cut
  bool loops = false;
  std::vector<BlockStep> steps;  // operands are numbers of earlier steps
  std::vector<std::size_t> outputs;

  bool operator==(const BlockProgram&) const = default;
};

// Time of one operation on one tile, in arbitrary units that add up.
struct BlockMachine {
  double flops_per_s = 5e10;  // of one core, fused multiply-adds count two
  double bytes_per_s = 1e10;  // from memory to one core
  int threads = 1;
};

// The `count` cheapest programs of the space for these tiles, cheapest first, with their predicted
// seconds. Sizes that are not numbers are taken at `sizes`.
struct PricedProgram {
  BlockProgram program;
  double seconds = 0.0;
};
std::vector<PricedProgram> cheapest(const BlockSpace& space, const Tiling& tiling,
                                    const BlockMachine& machine, const Sizes& sizes,
                                    std::size_t count);

// `program` as one block node: tiles of the axes in the grid, and of the loop, are those of the
// tiling. nullopt where an axis does not exist.
std::optional<Graph> to_graph(const Graph& program, const BlockProgram& block,
                              const Tiling& tiling);

}  // namespace lamina::search
