// The series-parallel structure of a network: what must run one after the other, and what may run
// side by side.
#pragma once

#include <vector>

#include "lamina/pipeline.h"

namespace lamina::pipeline {

// A leaf has operators; other nodes have at least two children. In a series every operator of a
// child comes before all operators of the next; between the children of a parallel composition
// there is no path; neither has children of its own kind. The children of a tangle are leaves of
// one operator each, ascending, and only the edges between them say what comes first.
struct SpTree {
  enum class Kind { kOperators, kSeries, kParallel, kTangle };
  Kind kind = Kind::kOperators;
  std::vector<int> operators;  // of a leaf, ascending
  std::vector<SpTree> children;

  bool operator==(const SpTree&) const = default;
};

struct Decomposition {
  SpTree tree;
  bool exact = true;  // the tree has no more order than the edges
};
// The tree of the order that the edges imply (Valdes, Tarjan, Lawler 1982: series-parallel orders
// are those without an N). Edges that others imply do not count. A part that is not series-parallel
// is a tangle where it has at most `most` operators; others get more order than their edges ask
// for: barriers between the operators at each distance from the sources.
Decomposition decompose(const Computation& computation, int most);

// The whole network as a tangle.
SpTree tangle_of(const Computation& computation);

// The whole network as a series of its operators.
SpTree line_of(const Computation& computation);

// Puts `parts` one after the other, or side by side.
SpTree in_series(std::vector<SpTree> parts);
SpTree in_parallel(std::vector<SpTree> parts);

// All operators below the node, ascending.
std::vector<int> operators_below(const SpTree& tree);
int count_leaves(const SpTree& tree);

}  // namespace lamina::pipeline
