// Wrong programs on purpose: a graph with one fault of a named kind at a random place. Testers are
// tried on them; now and then such a fault changes nothing (a sign under an even function).
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/rng.h"
#include "lamina/graph.h"

namespace lamina {

struct Mutation {
  std::string_view name;
  std::string_view meaning;
  // The graph with this fault at a node; nothing where the node is no place for it. What comes out
  // may be ill-formed, or throw kInvalidArgument: mutate() sorts that out.
  std::optional<Graph> (*apply)(const Graph& graph, NodeId node, Rng& rng);
};

std::span<const Mutation> all_mutations();

struct Mutant {
  Graph graph;
  std::string place;  // names of nodes, from the outermost graph inwards: "online/exp_1"
};

// A well-formed graph with the inputs and outputs of `graph` whose text is another; nothing where
// the fault has no place. Inner graphs are places too.
std::optional<Mutant> mutate(const Graph& graph, const Mutation& mutation, Rng& rng);

// A copy whose node `target` is made by `replace`, which gets the new graph so far and the node
// with its inputs there, and returns what takes the place of its first output. All types are
// inferred again. Throws kInvalidArgument where they do not fit.
using Replace = std::function<Value(Graph& graph, Node node)>;
Graph rewrite(const Graph& graph, NodeId target, const Replace& replace);

}  // namespace lamina
