// Candidate regions of a model: convex sets of nodes that run faster as blocks than alone.
#pragma once

#include <cstddef>
#include <vector>

#include "search/cover.h"
#include "search/operator_graph.h"
#include "search/partition_cost.h"

namespace lamina::search {

// How far to look. What is found depends on these numbers, never on time.
struct RegionLimits {
  std::size_t nodes = 48;          // of a region
  std::size_t programs = 8000;     // structures that are priced; equal layers count once
  std::size_t enumerated = 16000;  // sets around all seeds that are enumerated besides growth
  double loss = 0.05;              // of a candidate
};

struct RegionCandidates {
  std::vector<CoverCandidate> regions;
  std::size_t programs = 0;  // structures that were looked at
};

// Regions around every node: grown towards producers, consumers or both, one neighbour after
// another that saves something or else the best one, every stage a candidate; besides them all
// connected convex sets around the node, small ones first, as far as the limit goes: all there are
// in a small graph. A region is what can be tiled (tile_program says so, not a list of operators)
// and is predicted to save time, or to lose no more than a share `loss` of what its nodes take
// alone.
RegionCandidates candidate_regions(const OperatorGraph& operators, const CostModel& costs,
                                   const RegionLimits& limits);

}  // namespace lamina::search
