// The CPU device: generated C++ compiled by the system's compiler; without one, the interpreter.
#pragma once

#include "lamina/device.h"

namespace lamina {

const Device& cpu_device();

}  // namespace lamina
