// The second level of the identity tester for roots and logarithms, used where free variables alone
// decide nothing (docs/design/verify.md, "Roots").
#pragma once

#include <optional>

#include "verify/level_pass.h"

namespace lamina {

// nullopt where the graphs are too large for this level or do not agree in it, which proves
// nothing.
std::optional<LevelResult> compare_roots(const Graph& a, const Graph& b,
                                         const LevelSetting& setting);

}  // namespace lamina
