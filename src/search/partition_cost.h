// Predicted times: of nodes that the device runs alone, and of regions that run as blocks. They
// decide which regions are searched; what is kept is decided by races.
#pragma once

#include <optional>
#include <vector>

#include "lamina/graph.h"
#include "search/block_program.h"
#include "search/region.h"
#include "search/tiling.h"

namespace lamina::search {

// What a machine does in a second, as far as a cut into regions depends on it.
struct Rates {
  BlockMachine core;              // one of core.threads
  double near_bytes_per_s = 0.0;  // from the core's own cache
  double near_bytes = 0.0;        // of it
  double far_bytes_per_s = 0.0;   // from the cache that all cores share
  double far_bytes = 0.0;         // of it
  double kernel_s = 0.0;          // to start a kernel on all threads and to wait for its end
  double task_s = 0.0;            // to start a task
};
Rates rates_of(const CpuMachine& machine, int threads);

class CostModel {
 public:
  // Times are sums over the bindings of the named sizes, weighed so that the whole graph, all nodes
  // alone, takes equally long at all of them; in seconds of the last binding.
  CostModel(const Graph& prepared, const Rates& rates, const std::vector<Sizes>& bindings);

  // Per node of the graph: every step that the device makes of it reads its operands and writes its
  // results; views, and what depends on weights alone, are free.
  const std::vector<double>& alone() const { return alone_; }

  // Regions of a program that was cut out of the graph as blocks, each with the best of a few
  // tilings. The border of a block crosses memory or caches, what is inside does not, and every
  // task computes all that it needs, so that some things are computed often.
  struct Block {
    Region region;  // of the program
    Tiling tiling;
  };
  struct Fused {
    std::vector<Block> blocks;
    double seconds = 0.0;
  };
  // Nothing when the region cannot be tiled.
  std::optional<Fused> in_one_block(const Graph& program, const Region& region) const;
  // The whole program as one block or, where that is faster, as two: what prepares the operands of
  // products, and the rest.
  std::optional<Fused> fused(const Graph& program) const;

  // Of a simplified graph as it is, blocks among its nodes or not.
  double of(const Graph& simple) const;

 private:
  struct Binding {
    Sizes sizes;
    double weight = 1.0;
  };

  Rates rates_;
  std::vector<Binding> bindings_;
  std::vector<double> alone_;
};

}  // namespace lamina::search
