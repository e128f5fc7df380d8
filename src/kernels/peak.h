// What one core of this machine can do: measured loops, dispatched once on the instruction set.
#pragma once

#include <cstdint>
#include <span>

namespace lamina::kernels {

// Runs the multiply-add loop of the best instruction set. Returns the number of floating point
// operations done; `sink` keeps the work alive.
double run_multiply_adds(std::int64_t iterations, float& sink);

// Reads all words once; returns their exclusive or.
std::uint64_t read_all(std::span<const std::uint64_t> words);

}  // namespace lamina::kernels
