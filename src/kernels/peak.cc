// Dispatch of the peak loops, and the portable versions.
#define LAMINA_ISA portable
#define LAMINA_VECTOR_BYTES 16
#include "kernels/peak.h"

#include <cstring>

#include "kernels/peak-inl.h"

namespace lamina::kernels {

#if defined(__x86_64__)
namespace avx2 {
float multiply_add_chains(std::int64_t iterations);
}
namespace avx512 {
float multiply_add_chains(std::int64_t iterations);
}
#endif

double run_multiply_adds(std::int64_t iterations, float& sink) {
  constexpr double kOperationsPerLane = 2.0 * 12.0;
  double lanes = 4.0;
  float (*loop)(std::int64_t) = portable::multiply_add_chains;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") != 0) {
    loop = avx512::multiply_add_chains;
    lanes = 16.0;
  } else if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) {
    loop = avx2::multiply_add_chains;
    lanes = 8.0;
  }
#endif
  sink += loop(iterations);
  return kOperationsPerLane * lanes * static_cast<double>(iterations);
}

std::uint64_t read_all(std::span<const std::uint64_t> words) {
  // Pairs: the compiler leaves loops over single words unvectorised, which caches outrun.
  typedef std::uint64_t Pair __attribute__((vector_size(16)));
  Pair lanes[8] = {};
  std::size_t i = 0;
  for (; i + 16 <= words.size(); i += 16) {
#pragma GCC unroll 8
    for (std::size_t k = 0; k < 8; ++k) {
      Pair pair;
      std::memcpy(&pair, &words[i + 2 * k], sizeof pair);
      lanes[k] ^= pair;
    }
  }
  std::uint64_t total = 0;
  for (; i < words.size(); ++i) total ^= words[i];
  for (const Pair& lane : lanes) total ^= lane[0] ^ lane[1];
  return total;
}

}  // namespace lamina::kernels
