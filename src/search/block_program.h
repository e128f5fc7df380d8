// One block program out of a space: which way computes each value, and the graph for given tiles.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/graph.h"
#include "lamina/machine.h"
#include "search/block_space.h"
#include "search/tiling.h"

namespace lamina::search {

struct BlockProgram {
  std::vector<std::size_t> grid;  // axes of the first output that are cut
  bool loops = false;
  std::vector<BlockStep> steps;  // operands are numbers of earlier steps
  std::vector<std::size_t> outputs;
  // Parts of the loop that run side by side, along a dimension of the grid of their own; a second
  // kernel combines what they accumulate. 1: not split.
  std::int64_t split = 1;

  bool operator==(const BlockProgram&) const = default;
};

// Rates of one of the cores that run a program together.
struct BlockMachine {
  double flops_per_s = 0.0;     // fused multiply-adds count two
  double bytes_per_s = 0.0;     // from memory
  double elements_per_s = 0.0;  // of a sum, a product or the like
  double exp_per_s = 0.0;
  double div_per_s = 0.0;
  double sqrt_per_s = 0.0;
  double cache_bytes = 0.0;  // its share of the cache in which tiles should stay
  double launch_s = 0.0;     // of one kernel
  int threads = 1;
};
BlockMachine block_machine(const CpuMachine& machine, int threads);

// Of an element of an element-wise operator or of a reduction.
double element_seconds(const BlockMachine& machine, std::string_view op);

// The `count` cheapest programs of the space for these tiles, cheapest first, with their predicted
// seconds. Sizes that are not numbers are taken at `sizes`.
struct PricedProgram {
  BlockProgram program;
  double seconds = 0.0;
};
std::vector<PricedProgram> cheapest(const BlockSpace& space, const Tiling& tiling,
                                    const BlockMachine& machine, const Sizes& sizes,
                                    std::size_t count);

// `program` as one block node, or two where the loop is split: tiles of the axes in the grid, and
// of the loop, are those of the tiling. nullopt where an axis does not exist, or where the loop
// cannot be split: something that it accumulates is the same for several tasks.
std::optional<Graph> to_graph(const Graph& program, const BlockProgram& block,
                              const Tiling& tiling);

}  // namespace lamina::search
