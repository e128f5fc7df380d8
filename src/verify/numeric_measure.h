// Measuring two programs in one float type against exact evaluation.
#pragma once

#include <vector>

#include "lamina/numeric.h"
#include "verify/numeric_inputs.h"

namespace lamina {

// Both programs as they are written for `dtype`, and their inputs. Named sizes are bound.
struct NumericPair {
  Graph reference;
  Graph candidate;
  DType dtype = DType::kF32;
  std::vector<NumericInput> inputs;
};

// Runs samples of all distributions while the budget lasts (it is lowered), and decides.
NumericTypeReport measure(const NumericPair& pair, const NumericOptions& options, double& budget);

}  // namespace lamina
