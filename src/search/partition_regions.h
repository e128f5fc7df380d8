// Candidate regions of a model: convex sets of nodes that run faster as blocks than alone.
#pragma once

#include <cstddef>
#include <vector>

#include "search/cover.h"
#include "search/partition_cost.h"
#include "search/precedence.h"
#include "search/region.h"

namespace lamina::search {

// A prepared graph by operator nodes: positions are numbers of operator_nodes(graph).
struct OperatorGraph {
  const Graph& graph;
  std::vector<NodeId> nodes;
  Precedence order;
  std::vector<Region> convolutions;  // regions that are fixed (conv_regions.h)
  std::vector<bool> free;  // by position: may be in another region; not in those, nor what
                           // depends on weights alone, which is computed once, at load

  explicit OperatorGraph(const Graph& graph);
};

// How far to look. What is found depends on these numbers, never on time.
struct RegionLimits {
  std::size_t nodes = 48;          // of a region
  std::size_t programs = 4000;     // structures that are priced; equal layers count once
  std::size_t enumerated = 16000;  // sets around all seeds that are enumerated besides growth
  double loss = 0.05;
};

// Regions around every node: grown by consumers, by producers, by both, always by what saves most
// at the moment, every stage a candidate; besides them all connected convex sets around the node,
// small ones first, as far as the limit goes: all there are in a small graph. A region is what can
// be tiled (tile_program says so, not a list of operators) and is predicted to save time, or to
// lose no more than a share `loss` of what its nodes take alone.
std::vector<CoverCandidate> candidate_regions(const OperatorGraph& operators,
                                              const CostModel& costs, const RegionLimits& limits);

}  // namespace lamina::search
