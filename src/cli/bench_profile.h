// Where the time of a run goes, step by step.
#pragma once

#include <span>

#include "base/json.h"
#include "lamina/device.h"

namespace lamina::cli {

// Profiles runs for about `seconds`. Prints the medians, like steps together, and puts every step
// into the report as "steps".
void print_profile(Program& program, std::span<const Tensor> inputs, double seconds, Json& report);

}  // namespace lamina::cli
