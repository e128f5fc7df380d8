// Cutting a model into subprograms that are worth fusing.
#pragma once

#include <vector>

#include "lamina/graph.h"
#include "search/partition_cost.h"
#include "search/partition_regions.h"
#include "search/region.h"

namespace lamina::search {

struct PartitionOptions {
  RegionLimits limits;
  std::size_t beam = 256;  // states of equal size that the choice among regions keeps
};

// Disjoint convex regions, and what they are predicted to cost. Nodes in no region (gathers, lone
// operators) stay as they are.
struct Partition {
  std::vector<Region> regions;
  double alone_s = 0.0;  // all nodes alone
  double fused_s = 0.0;  // with the regions as blocks
  bool exact = true;     // false: the beam was full, and a better choice of regions may exist
  std::size_t candidates = 0;
};

// The best choice among candidate_regions(): each can be tiled, and all can run in some order.
Partition partition(const Graph& prepared, const Rates& rates,
                    const PartitionOptions& options = {});

}  // namespace lamina::search
