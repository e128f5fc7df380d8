// A prepared graph seen as its operators: what is cut into regions.
#pragma once

#include <cstddef>
#include <vector>

#include "lamina/graph.h"
#include "search/precedence.h"
#include "search/region.h"

namespace lamina::search {

using Positions = std::vector<std::size_t>;  // of operators, ascending

// Positions are numbers of operator_nodes(graph). The graph must outlive this.
struct OperatorGraph {
  const Graph& graph;
  std::vector<NodeId> nodes;
  Precedence order;
  std::vector<Region> convolutions;  // regions that are fixed (conv_regions.h)
  std::vector<bool>
      free;  // by position: may be in another region; not in those, nor what is loaded

  explicit OperatorGraph(const Graph& graph);
};

// Per node: whether it depends on weights and constants alone, and so is computed once, at load.
std::vector<bool> loaded_nodes(const Graph& prepared);

}  // namespace lamina::search
