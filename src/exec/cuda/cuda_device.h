// The CUDA device.
#pragma once

#include "lamina/device.h"

namespace lamina {

// The first GPU; null where there is none.
const Device* cuda_device();

}  // namespace lamina
