// Real points at which two graphs certainly differ.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lamina/verify.h"
#include "verify/inputs.h"

namespace lamina {

// What two enclosures of one value at a real point say. One-sided: one of them is bounded, the
// other is not (a division by zero, say).
enum class Meeting : std::uint8_t { kOpen, kApart, kOneSided };
Meeting meeting(const Interval& x, const Interval& y);

struct WitnessSearch {
  std::optional<Witness> witness;
  // An output element that only one graph bounds.
  std::string one_sided;
  std::string failure;  // why points could not be evaluated, if they could not
};

// Evaluates both graphs with interval arithmetic at one real point per distribution (see
// draw_reals). A witness needs ranges that are apart: disjoint by 1e-6 of their magnitude.
WitnessSearch find_witness(const Graph& a, const Graph& b, const std::vector<InputPlan>& plans,
                           const Sizes& sizes, const std::vector<int>& distributions);

}  // namespace lamina
