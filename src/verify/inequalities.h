// Systems of linear inequalities with rational coefficients: Fourier-Motzkin elimination.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "verify/linear_form.h"

namespace lamina {

// form >= 0, or form > 0.
struct Inequality {
  LinearForm form;
  bool strict = false;

  auto operator<=>(const Inequality&) const = default;
};

// What elimination found.
struct Feasibility {
  bool infeasible = false;  // certainly no real values of the atoms fulfil all inequalities
  // Values, in floating point, that seem to fulfil all; empty when there are none, or when the
  // elimination became too large to say.
  std::optional<std::map<std::uint32_t, double>> point;
};
Feasibility solve(const std::vector<Inequality>& system);

}  // namespace lamina
