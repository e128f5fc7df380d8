// Where intermediate values lie in one block of memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lamina::lower {

// A value that needs `bytes` from step `first` to step `last` (both included).
struct Lifetime {
  std::int64_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct ArenaPlan {
  std::vector<std::int64_t> offsets;  // 64-byte aligned, one per lifetime
  std::int64_t bytes = 0;
};

// Largest first, each into the smallest gap that is free for its whole life.
ArenaPlan plan_arena(std::span<const Lifetime> lifetimes);

}  // namespace lamina::lower
