// The reference device: a slow, readable interpreter in double precision. It is the meaning.
#pragma once

#include "lamina/device.h"

namespace lamina {

const Device& ref_device();

}  // namespace lamina
