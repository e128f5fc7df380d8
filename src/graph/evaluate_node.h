// One operator applied to tensors at hand, as the reference device would: constant folding.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

// The outputs of the operator, rounded to their types; none when they have more than
// `max_elements` together. Throws what Graph::add throws.
std::vector<Tensor> evaluate_node(std::string_view op, std::span<const Tensor> inputs,
                                  const Attrs& attrs = {}, std::vector<Graph> graphs = {},
                                  std::int64_t max_elements = INT64_MAX);

}  // namespace lamina
