// Timing equal programs against each other on cold weights.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lamina/bench.h"
#include "lamina/device.h"
#include "lamina/optimize.h"

namespace lamina::search {

constexpr std::int64_t kLargestBinding = 128;  // of a named size while comparing and timing

// Of races of whole programs.
constexpr TimingOptions kWholeRace = {.min_seconds = 0.4, .min_runs = 11};

// How contenders are compiled and run.
RunOptions race_options(const OptimizeOptions& options);

// Timings of each contender on the inputs of each binding, interleaved:
// result[contender][binding].
std::vector<std::vector<Timing>> race(std::span<ColdProgram*> contenders,
                                      std::span<const std::vector<Tensor>> bindings,
                                      const TimingOptions& options);

// Milliseconds of many programs, roughly: the geometric mean over the bindings of the best run.
// Rounds of one run each; who is clearly slower than the best runs no more, so that slow programs
// cost one run or two. Before every run `flush_bytes` of memory are read (0: none), which drives
// the weights out of the caches: cheaper than rotating copies of them.
std::vector<double> screen(std::span<Program* const> contenders,
                           std::span<const std::vector<Tensor>> bindings, std::int64_t flush_bytes);

}  // namespace lamina::search
