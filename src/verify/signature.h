// What two graphs must have in common before their functions can be compared.
#pragma once

#include <string>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

// Throws kInvalidArgument that says what differs: inputs (count, names, dtypes, shapes, states,
// elements of integer weights) or outputs (count, dtypes, shapes).
void require_same_signature(const Graph& a, const Graph& b, bool match_names);

// Operators, inner graphs included, that order reals or have no meaning in a field; sorted.
std::vector<std::string> operators_without_field_meaning(const Graph& graph);

}  // namespace lamina
