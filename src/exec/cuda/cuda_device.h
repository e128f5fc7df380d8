// The CUDA devices.
#pragma once

#include <span>
#include <string>

#include "lamina/device.h"

namespace lamina {

// One for each GPU that can be used: "cuda" is the first, then "cuda:1" and so on.
std::span<const Device* const> cuda_devices();
std::string cuda_device_name(int index);
// Why there is none.
std::string why_no_cuda();

}  // namespace lamina
