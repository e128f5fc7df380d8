// Reverse mode from gradients that are given: what gradient() is to a loss, this is to a part of a
// network, whose outputs go on elsewhere.
#pragma once

#include <cstddef>
#include <span>

#include "lamina/graph.h"

namespace lamina {

// A graph with the inputs of `graph`, one more for each entry of `seeded` - the gradient of that
// output, of its type - and the outputs of `graph`, followed by one gradient per entry of
// `with_respect_to`, an input. An output may be seeded several times: its gradients are added in
// this order. Throws as gradient() does.
Graph pull_back(const Graph& graph, std::span<const std::size_t> seeded,
                std::span<const Value> with_respect_to);

}  // namespace lamina
