// The series-parallel structure of a network: what must run one after the other, and what may run
// side by side.
#pragma once

#include <vector>

#include "lamina/pipeline.h"

namespace lamina::pipeline {

// A leaf has operators; a series or parallel composition has at least two children, none of its own
// kind. In a series every operator of a child comes before all operators of the next; between the
// children of a parallel composition there is no path.
struct SpTree {
  enum class Kind { kOperators, kSeries, kParallel };
  Kind kind = Kind::kOperators;
  std::vector<int> operators;  // of a leaf, ascending
  std::vector<SpTree> children;

  bool operator==(const SpTree&) const = default;
};

// What becomes of a part that is not series-parallel: more order than its edges ask for.
enum class Untangle {
  kStrata,  // barriers between the operators at each distance from the sources
  kLine,    // one operator after the other
};

struct Decomposition {
  SpTree tree;
  bool exact = true;  // nothing had to be untangled
};
// The tree of the order that the edges imply (Valdes, Tarjan, Lawler 1982: series-parallel orders
// are those without an N). Edges that others imply do not count.
Decomposition decompose(const Computation& computation, Untangle untangle);

// The whole network as a series of its operators.
SpTree line_of(const Computation& computation);

// Puts `parts` one after the other, or side by side.
SpTree in_series(std::vector<SpTree> parts);
SpTree in_parallel(std::vector<SpTree> parts);

// All operators below the node, ascending.
std::vector<int> operators_below(const SpTree& tree);
int count_leaves(const SpTree& tree);

}  // namespace lamina::pipeline
