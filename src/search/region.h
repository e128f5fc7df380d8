// Subprograms of a graph: cutting them out and putting something equal in their place.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "lamina/graph.h"

namespace lamina::search {

// A convex set of nodes of a graph, in topological order.
struct Region {
  std::vector<NodeId> nodes;
};

// All nodes but inputs and scalar constants: constants belong to every region that reads them.
std::vector<NodeId> operator_nodes(const Graph& graph);

// How many nodes and outputs read each node of a graph.
std::vector<int> count_uses(const Graph& graph);

// True when no path leaves the region and comes back into it.
bool is_convex(const Graph& graph, const Region& region);

// The values that a region reads from outside, and those of its values that are read outside.
struct Border {
  std::vector<Value> inputs;
  std::vector<Value> outputs;
};
Border border(const Graph& graph, const Region& region);

// The region as a graph of its own: inputs and outputs in the order of border(). Inputs that are
// weights of the graph stay weights and share their elements.
Graph cut(const Graph& graph, const Region& region);

// `graph` with each region replaced by its graph, which has the signature of cut(). Regions are
// disjoint.
struct Replacement {
  Region region;
  Graph graph;
};
Graph replace(const Graph& graph, std::span<const Replacement> replacements);

}  // namespace lamina::search
