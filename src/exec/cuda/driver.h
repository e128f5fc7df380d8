// The GPUs of this machine, through the driver's library, which is opened when it is wanted:
// building Lamina needs no CUDA.
#pragma once

#include <memory>
#include <string>

#include "exec/cuda/gpu.h"

namespace lamina::cuda {

// How many GPUs the driver finds; 0 without one.
int gpu_count();
// Null when there is no GPU of this number, or it is older than sm_80; `why` then says which.
std::shared_ptr<Gpu> open_gpu(const std::string& cache_dir, int index, std::string* why = nullptr);

}  // namespace lamina::cuda
