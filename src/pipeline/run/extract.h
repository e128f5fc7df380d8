// Parts of graphs: the nodes between given values and wanted ones as a graph of their own, and the
// values that are best kept where a graph is run in two parts.
#pragma once

#include <set>
#include <vector>

#include "lamina/graph.h"

namespace lamina::pipeline {

struct Extract {
  Graph graph;                // outputs "y0", "y1", ...: the wanted values, in their order
  std::vector<Value> inputs;  // what its inputs are in the whole graph: those of `given` it reads
};
// Cheap nodes of given values alone stand as late as they can. Throws kInternal when a wanted value
// depends on an input that is not given.
Extract extract(const Graph& graph, const std::set<Value>& given, const std::vector<Value>& wanted);

struct TwoParts {
  const Graph& graph;                // of constant shapes
  const std::vector<bool>& first;    // by node: the first part can compute it
  const std::set<Value>& free;       // what the second part has anyway
  const std::vector<Value>& wanted;  // of the second part
};
// Values of the first part from which, with the free ones, the second part computes what is wanted:
// the fewest bytes of all choices in which the second part repeats nothing but element-wise and
// move operators and what depends on weights alone.
std::set<Value> least_kept(const TwoParts& parts);

// By node: whether it is needed to compute the wanted values from the given ones.
std::vector<bool> nodes_between(const Graph& graph, const std::set<Value>& given,
                                const std::vector<Value>& wanted);

// By node: depends on none of these values.
std::vector<bool> independent_of(const Graph& graph, const std::set<Value>& values);

// Puts these nodes right behind the last one that they read, and inputs in front: what the nodes
// read then need not be kept for them.
void move_up(Graph& graph, const std::set<NodeId>& nodes);

// Of a value of constant shape.
std::int64_t bytes_of(const Type& type);

}  // namespace lamina::pipeline
