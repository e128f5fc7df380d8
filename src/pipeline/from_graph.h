// How a graph becomes a computation, step by step: its nodes are shared out to operators
// (group_nodes.cc), each operator is cut out like a stage of a plan (run/stage_program.h), and its
// passes get costs (from_graph.cc) that are modelled or measured (pass_time.cc).
#pragma once

#include <vector>

#include "lamina/pipeline.h"

namespace lamina::pipeline {

// Nodes of a graph by operators, which are numbered in topological order.
struct Grouping {
  Graph graph;                 // simplified; composites are whole
  std::vector<int> operators;  // of each node; -1: an input
  std::vector<NodeId> seeds;   // of each operator: the node that others joined
};

// Every heavy node - a product of some size, or a look-up in a table of weights - is an operator.
// Light ones join the last heavy one that they follow, or, where branches meet that do not follow
// each other, the first that follows them; where neither exists or would tie branches together,
// they are an operator of their own. So operators form an acyclic graph, and branches that do not
// depend on each other stay apart. Nodes that only prepare inputs (masks made of tokens, transposed
// weights, constants) are copied into every operator that reads them.
// `sizes` gives all named sizes; it decides what is heavy.
Grouping group_nodes(const Graph& graph, const Sizes& sizes);

}  // namespace lamina::pipeline
