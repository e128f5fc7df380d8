// What the operators with inner graphs share.
#pragma once

#include "graph/op_def.h"

namespace lamina {

// Throws unless the inputs of `inner` that are not states have the types `given`, in order.
void check_inner_inputs(std::string_view op, const Graph& inner, std::span<const Type> given);
// The types of the outputs of `inner`.
std::vector<Type> output_types(const Graph& inner);

}  // namespace lamina
