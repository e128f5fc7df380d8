// How an operand that is broadcast lies over the rows and columns of a result.
#pragma once

#include <optional>

#include "lamina/graph.h"

namespace lamina {

// Every element its own; one per column (the last axis), the same in all rows; one for all.
enum class Spread : std::uint8_t { kFull, kPerColumn, kSingle };

// Nothing where it is none of these: an operand repeated along some of the axes before the last.
std::optional<Spread> spread(const Dims& operand, const Dims& result);

}  // namespace lamina
