// A cost model of kernels on a GPU: traffic to device memory and through the caches, arithmetic,
// and the launch.
#pragma once

#include "exec/cuda/cuda_program.h"

namespace lamina::cuda {

struct KernelWork {
  double unique_bytes = 0.0;  // of inputs and outputs, each once
  double tile_bytes = 0.0;    // that all blocks together ask for
  double flops = 0.0;
  bool tensor_cores = false;
  double blocks = 1.0;
};

KernelWork work_of(const lower::Lowered& lowered, const Node& node, const Kernel& kernel,
                   const Sizes& sizes);

// The larger of the times for memory, caches and arithmetic, on the share of the multiprocessors
// that the blocks fill, and the launch.
double seconds_of(const KernelWork& work, const GpuMachine& machine);

// All kernels of a graph that run in every run.
double seconds_of(const GraphKernels& kernels, const GpuMachine& machine, const Sizes& sizes);

}  // namespace lamina::cuda
