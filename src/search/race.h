// Timing equal programs against each other on cold weights.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "lamina/bench.h"
#include "lamina/device.h"

namespace lamina::search {

// Timings of each contender on the inputs of each binding, interleaved:
// result[contender][binding].
std::vector<std::vector<Timing>> race(std::span<ColdProgram*> contenders,
                                      std::span<const std::vector<Tensor>> bindings,
                                      const TimingOptions& options);

}  // namespace lamina::search
