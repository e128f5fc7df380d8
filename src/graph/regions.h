// What the operators with inner graphs share.
#pragma once

#include "graph/op_def.h"

namespace lamina {

// Throws unless the inputs of `inner` that are not states have the types `given`, in order.
void check_inner_inputs(std::string_view op, const Graph& inner, std::span<const Type> given);
// The types of the outputs of `inner`.
std::vector<Type> output_types(const Graph& inner);

// The graph of gradients of `inner`: its inputs are those of `inner`, then the gradients of those
// outputs k for which arrived[k]; its outputs are the gradients of the float inputs, in order.
Graph inner_gradient(const Graph& inner, const std::vector<bool>& arrived);

}  // namespace lamina
