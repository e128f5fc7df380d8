// Choosing among overlapping candidates: the disjoint regions that save most.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "search/precedence.h"

namespace lamina::search {

// A convex set of nodes, ascending, and what running it as one saves against running its nodes
// alone.
struct CoverCandidate {
  std::vector<std::size_t> nodes;
  double saving = 0.0;
};

struct Cover {
  std::vector<std::size_t> chosen;  // numbers of candidates, ascending
  double saving = 0.0;
  bool exact = true;  // false: the beam dropped states, so that there may be a better one
};

// Candidates that are disjoint, that can run in some order (no two of them wait for each other,
// directly or through others), and whose savings have the largest sum; of equal sums, the fewest
// candidates. Those that save nothing are not chosen. Dynamic programming over the sets of nodes
// that may be done at some moment (all that a done node depends on is done). The next region is
// only sought where all alternatives must begin, so that independent regions are not tried in every
// order. Of the states with equally many nodes done, the `beam` with the largest savings go on.
// Deterministic.
Cover choose_cover(const Precedence& order, std::span<const CoverCandidate> candidates,
                   std::size_t beam);

}  // namespace lamina::search
