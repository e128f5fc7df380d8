// The second level of the identity tester for exponentials inside exponents
// (docs/design/verify.md, "Nested exponentials").
#pragma once

#include <optional>

#include "verify/level_pass.h"

namespace lamina {

// nullopt where the graphs are too large for this level or do not agree in it, which proves
// nothing. Agreement is proved with the bits of the result.
std::optional<LevelResult> compare_towers(const Graph& a, const Graph& b,
                                          const LevelSetting& setting);

}  // namespace lamina
