// Outputs of the reference device, kept in the cache folder: the reference is slow, and its
// outputs depend on the program, its inputs and weights alone.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "lamina/graph.h"
#include "lamina/tensor.h"

namespace lamina::search {

struct ReferenceOutputs {
  std::vector<Tensor> outputs;
  std::string warning;  // "", or why a file of the folder could not be used
};

// Runs the reference device, or reads what it gave before from `folder` ("": nothing is kept).
// Files are keyed by the content of the program and of its inputs, and by the program that runs
// now: another build may hold another reference. A file that was changed is computed again.
ReferenceOutputs reference_outputs(const Graph& prepared, std::span<const Tensor> inputs,
                                   const std::string& folder);

}  // namespace lamina::search
