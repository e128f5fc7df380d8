// Range analysis: interval arithmetic over whole tensors, at the real sizes of a program.
//
// Every value is a Range that holds all its elements. Intervals alone would flag every safe
// softmax, since they forget that x - max(x) is never positive; so the analysis also follows
// which values are at least as large as which others (verify/numeric_order.h).
#pragma once

#include <vector>

#include "lamina/numeric.h"
#include "verify/numeric_range.h"

namespace lamina {

// Where the values of `graph` may leave their types, where a divisor may be 0, and where log, sqrt
// or rsqrt may meet what they are not defined on. Every place is listed once. `inputs` has one
// range per graph input; named sizes must be bound.
std::vector<Hazard> range_hazards(const Graph& graph, const std::vector<Range>& inputs);

}  // namespace lamina
