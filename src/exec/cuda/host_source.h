// A graph's kernels with the host code that launches them, as one .cu file that needs nothing but
// the CUDA runtime.
#pragma once

#include <functional>
#include <string>

#include "exec/cuda/cuda_program.h"

namespace lamina::cuda {

// How a host text says things: `base(storage)` is a char* to its beginning, `checked` wraps a call
// that returns cudaError_t ("{}" stands for it), `launched` follows every launch.
struct HostWords {
  std::function<std::string(std::size_t)> base;
  std::string checked;
  std::string launched;
};

// Statements that launch all kernels in order; they use `stream` and `sizes`.
std::string launch_calls(const GraphKernels& kernels, const HostWords& words);

// The index among Graph::inputs of the index-th input of a run.
std::size_t run_input(const Graph& graph, int index);

// The translation unit, descriptions of inputs and outputs, and
//   cudaError_t lamina_run(void* const* inputs, void* const* outputs, void* arena, cudaStream_t)
// with inputs and weights in graph order. Throws kUnsupported for named sizes, states, constants
// outside blocks and outputs that are copies.
std::string host_source(const GraphKernels& kernels);

}  // namespace lamina::cuda
