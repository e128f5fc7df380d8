// What every device does with the inputs of a run before it computes.
#pragma once

#include <span>
#include <string_view>

#include "lamina/device.h"

namespace lamina {

// Binds the named sizes of `graph` from the shapes of `inputs` (those with role kInput or
// kDonated, in order) and checks counts, dtypes, shapes and size ranges. A size must appear alone
// as a dimension of some input.
Sizes bind_inputs(const Graph& graph, std::span<const Tensor> inputs);

// Gives the weight called `name` its elements. Throws kNotFound, or kInvalidArgument when their
// type or shape is another.
void bind_weight(Graph& graph, std::string_view name, const Tensor& value);

// The inputs that a caller gives at each run, in order.
std::vector<const Input*> run_inputs(const Graph& graph);

}  // namespace lamina
