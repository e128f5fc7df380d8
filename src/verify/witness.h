// Real points at which two graphs certainly differ.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lamina/verify.h"
#include "verify/point_check.h"

namespace lamina {

struct WitnessSearch {
  std::optional<Witness> witness;
  // An output element that one graph bounds and the other does not (a division by zero, say).
  std::string one_sided;
  std::string failure;  // why points could not be evaluated, if they could not
  int points = 0;       // that were compared
  int unbounded = 0;    // of these: points with values that overflow or are not defined
  // No output element differed by more, relative to the greatest magnitude of its output.
  double most_distance = 0.0;
};

// Evaluates both graphs with interval arithmetic at one real point per distribution (see
// draw_reals), until they are far apart at one. Disjoint ranges are a witness; it is then shrunk.
WitnessSearch find_witness(const GraphPair& pair, const std::vector<int>& distributions);

// The same at one given point.
WitnessSearch witness_at(const GraphPair& pair, const RealPoint& point);

}  // namespace lamina
