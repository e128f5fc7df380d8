// Real points at which two graphs certainly differ.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lamina/verify.h"
#include "verify/inputs.h"

namespace lamina {

struct WitnessSearch {
  std::optional<Witness> witness;
  // An output element that one graph bounds and the other does not (a division by zero, say).
  std::string one_sided;
  std::string failure;  // why points could not be evaluated, if they could not
};

// Evaluates both graphs with interval arithmetic at one real point per distribution (see
// draw_reals). A witness needs disjoint ranges that are 1e-6 apart relative to their magnitude.
WitnessSearch find_witness(const Graph& a, const Graph& b, const std::vector<InputPlan>& plans,
                           const Sizes& sizes, const std::vector<int>& distributions);

}  // namespace lamina
