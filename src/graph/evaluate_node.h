// One operator applied to tensors at hand, as the reference device would: constant folding.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

// The outputs of the operator, rounded to their types. Throws what Graph::add throws.
std::vector<Tensor> evaluate_node(std::string_view op, std::span<const Tensor> inputs,
                                  const Attrs& attrs = {}, std::vector<Graph> graphs = {});

}  // namespace lamina
