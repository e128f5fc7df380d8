// Elements for a model to be timed on: from a folder of .npy files, else random.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "lamina/graph.h"

namespace lamina::cli {

// The graph with elements for every weight, the values of its named sizes, and inputs of a run.
struct ModelData {
  Graph graph;
  Sizes sizes;
  std::vector<Tensor> inputs;
};

// The values of named sizes that the shapes of the inputs of a run say, in graph order.
Sizes sizes_of(const Graph& graph, std::span<const Tensor> inputs);
// `sizes`, and those that the shapes of the inputs in the folder say ("": none).
Sizes sizes_of(const Graph& graph, Sizes sizes, const std::string& folder);

// With a folder, every input and every weight without elements comes from folder/NAME.npy
// (folder/NAME as file_name() writes it) and is converted to its dtype; named sizes follow from the
// shapes. Without one ("") inputs are random and `sizes` must name every size. Throws
// kInvalidArgument that names what is missing.
ModelData prepare_data(Graph graph, Sizes sizes, const std::string& folder, std::uint64_t seed);

}  // namespace lamina::cli
