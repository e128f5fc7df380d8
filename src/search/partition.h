// Cutting a model into subprograms that are worth fusing.
#pragma once

#include <optional>
#include <vector>

#include "lamina/graph.h"
#include "search/candidates.h"
#include "search/partition_cost.h"
#include "search/partition_regions.h"
#include "search/region.h"

namespace lamina::search {

struct PartitionOptions {
  RegionLimits limits;
  std::size_t beam = 256;   // states of equal size that the choice among regions keeps
  double tolerance = 0.05;  // what one region may take longer than the parts that it replaces
  bool whole = true;        // may the whole graph be one region?
};

// Disjoint convex regions, and what they are predicted to cost. Nodes in no region (gathers, lone
// operators) stay as they are.
struct Partition {
  std::vector<Region> regions;
  double alone_s = 0.0;  // all nodes alone
  double fused_s = 0.0;  // with the regions as blocks
  bool exact = true;     // false: the beam was full, and a better choice of regions may exist
  std::size_t candidates = 0;
  std::size_t programs = 0;  // different structures among what was looked at
};

// The best choice among candidate_regions(), each of which can be tiled, such that all can run in
// some order. Predictions are not exact: what takes as long as one region, but for the tolerance,
// becomes one, since a search can take a region apart again (partition_candidates) but not join
// two.
Partition partition(const Graph& prepared, const Rates& rates,
                    const PartitionOptions& options = {});

// The subprogram cut into smaller blocks, the best choice of several: each block tiled by rules,
// and each as the cheapest block program that is found for it. None if no block saves time.
Candidates partition_candidates(const Graph& program, const Rates& rates, const Limits& limits);

// Those of generate(), then these.
Candidates all_candidates(const Graph& program, const Rates& rates, const Limits& limits);

}  // namespace lamina::search
