// A graph's kernels as the source of a PyTorch extension: one .cu file.
#pragma once

#include <string>

#include "exec/cuda/cuda_program.h"

namespace lamina::cuda {

// `forward(inputs...)` takes the graph's inputs and weights in their order and returns its outputs.
// Throws kUnsupported for named sizes and states.
std::string torch_source(const GraphKernels& kernels);

}  // namespace lamina::cuda
