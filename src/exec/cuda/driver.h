// The first GPU of this machine, through the driver's library, which is opened when it is wanted:
// building Lamina needs no CUDA.
#pragma once

#include <memory>
#include <string>

#include "exec/cuda/gpu.h"

namespace lamina::cuda {

// Null without a driver or a GPU of sm_80 or newer; `why` then says which.
std::shared_ptr<Gpu> open_gpu(const std::string& cache_dir, std::string* why = nullptr);

}  // namespace lamina::cuda
