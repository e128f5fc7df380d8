// The CUDA device.
#pragma once

#include <string>

#include "lamina/device.h"

namespace lamina {

// The first GPU; null where there is none.
const Device* cuda_device();
// Why there is none.
std::string why_no_cuda();

}  // namespace lamina
