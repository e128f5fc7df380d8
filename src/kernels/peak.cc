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
std::uint64_t read_words(const std::uint64_t* words, std::size_t count);
}  // namespace avx2
namespace avx512 {
float multiply_add_chains(std::int64_t iterations);
std::uint64_t read_words(const std::uint64_t* words, std::size_t count);
}  // namespace avx512
#endif

namespace {

struct Loops {
  double lanes = 4.0;
  float (*multiply_add_chains)(std::int64_t) = portable::multiply_add_chains;
  std::uint64_t (*read_words)(const std::uint64_t*, std::size_t) = portable::read_words;
};

Loops best_loops() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") != 0) {
    return {16.0, avx512::multiply_add_chains, avx512::read_words};
  }
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) {
    return {8.0, avx2::multiply_add_chains, avx2::read_words};
  }
#endif
  return {};
}

}  // namespace

double run_multiply_adds(std::int64_t iterations, float& sink) {
  constexpr double kOperationsPerLane = 2.0 * 12.0;
  const Loops loops = best_loops();
  sink += loops.multiply_add_chains(iterations);
  return kOperationsPerLane * loops.lanes * static_cast<double>(iterations);
}

std::uint64_t read_all(std::span<const std::uint64_t> words) {
  return best_loops().read_words(words.data(), words.size());
}

}  // namespace lamina::kernels
