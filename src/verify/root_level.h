// The second level of the identity tester for roots and logarithms, used where free variables alone
// decide nothing (docs/design/verify.md, "Roots").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lamina/verify.h"
#include "verify/inputs.h"
#include "verify/primes.h"

namespace lamina {

// Two graphs that agreed in every pass.
struct LevelResult {
  // Agreement proves equality. Otherwise only the squares were shown to agree, or values at some
  // choice of the roots' signs, and it is a conjecture.
  bool proved = false;
  double bits = 0.0;  // of what was shown
  std::vector<FieldTuple> tuples;
  std::int64_t elements = 0;  // of all outputs
  std::string how;            // "roots as symbols", ...
};

struct LevelSetting {
  const std::vector<InputPlan>& plans;
  const Sizes& sizes;
  const PrimeProfile& profile;
  const VerifyOptions& options;
};

// nullopt where the graphs are too large for this level or do not agree in it, which proves
// nothing.
std::optional<LevelResult> compare_roots(const Graph& a, const Graph& b,
                                         const LevelSetting& setting);

}  // namespace lamina
