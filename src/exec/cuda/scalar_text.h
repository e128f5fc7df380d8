// Element-wise operators as CUDA text.
#pragma once

#include <string>
#include <vector>

#include "graph/op_def.h"

namespace lamina::cuda {

// Appends to `body` the statements that compute `node` from the named operands; returns the
// expression of the result. `prefix` begins the names of what lies between.
std::string scalar_text(const Node& node, const std::vector<std::string>& operands,
                        const std::string& prefix, std::string& body);

// A number that reads back exactly.
std::string literal_text(double value);

// LmSum, LmProd, LmMax, LmMin.
std::string monoid_name(Monoid monoid);

}  // namespace lamina::cuda
