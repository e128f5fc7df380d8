// Products of residues in double precision, for AVX2 and FMA (and any CPU that fuses).
//
// Residues x, y lie in (-m/2, m/2), so |x y| <= 2^98. A running sum s starts at 1.5 * 2^(52 + U)
// and stays in the binade of that number, where neighbours are 2^U apart: h = fma(x, y, s) is s +
// x y rounded to a multiple of 2^U, d = h - s is exact, and so is the remainder fma(x, y, -d), at
// most 2^(U - 1). Two fused operations and two additions are one exact product of 100 bits. How far
// the bits of s moved, as an integer, is the sum of the d in units of 2^U.
#include "num/lane_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace lamina {
namespace {

using Vector = double __attribute__((vector_size(32)));
using Words = std::int64_t __attribute__((vector_size(32)));

constexpr int kRows = 2;
constexpr int kColumns = 3;
constexpr int kBlock = kRows * kColumns;

std::uint64_t word(std::uint64_t residue, std::uint64_t modulus) {
  const auto x = static_cast<std::int64_t>(residue);
  const auto m = static_cast<std::int64_t>(modulus);
  const double balanced = static_cast<double>(x > m / 2 ? x - m : x);
  std::uint64_t bits = 0;
  __builtin_memcpy(&bits, &balanced, sizeof bits);
  return bits;
}

// c + a * b and a * b - c, rounded once.
inline Vector fused(Vector a, Vector b, Vector c) {
  return static_cast<Vector>(_mm256_fmadd_pd(a, b, c));
}
inline Vector fused_less(Vector a, Vector b, Vector c) {
  return static_cast<Vector>(_mm256_fmsub_pd(a, b, c));
}

// One term of each of a block of sums.
[[gnu::always_inline]] inline void step(const Vector* a, const Vector* b, Vector* sums,
                                        Vector* remainders) {
#pragma GCC unroll 3
  for (int j = 0; j < kColumns; ++j) {
    const Vector y = b[j];
#pragma GCC unroll 2
    for (int i = 0; i < kRows; ++i) {
      const int at = i * kColumns + j;
      const Vector x = a[i];
      const Vector before = sums[at];
      sums[at] = fused(x, y, before);
      remainders[at] += fused_less(x, y, sums[at] - before);
    }
  }
}

Words bits_of(Vector x) { return reinterpret_cast<Words>(x); }

void put(const Words* high, const Words* low, LaneSum* sums) {
  for (int at = 0; at < kBlock; ++at) {
    for (int lane = 0; lane < kKernelLanes; ++lane) {
      sums[at].high[lane] = high[at][lane];
      sums[at].low[lane] = low[at][lane];
    }
  }
}

constexpr int kScale = 50;
// |sum| <= 8 * 2^98 keeps s within its binade; 16 remainders of at most 2^49 sum exactly.
constexpr std::int64_t kSums = 8;
constexpr std::int64_t kRemainders = 16;

void block(const LaneWords* a, const LaneWords* b, std::int64_t depth, LaneSum* sums) {
  const auto* x = reinterpret_cast<const Vector*>(a);
  const auto* y = reinterpret_cast<const Vector*>(b);
  const Vector start = Vector{} + 0x1.8p102;
  const Vector coarse = Vector{} + 0x1.8p79;  // rounds to multiples of 2^27
  Vector sum[kBlock], remainder[kBlock];
  Vector rest[kBlock] = {}, fine[kBlock] = {};
  Words high[kBlock] = {};
  while (depth > 0) {
#pragma GCC unroll 6
    for (int at = 0; at < kBlock; ++at) remainder[at] = Vector{};
    for (std::int64_t part = 0; part < kRemainders / kSums && depth > 0; ++part) {
#pragma GCC unroll 6
      for (int at = 0; at < kBlock; ++at) sum[at] = start;
      const std::int64_t terms = depth < kSums ? depth : kSums;
      for (std::int64_t k = 0; k < terms; ++k, x += kRows, y += kColumns) {
        step(x, y, sum, remainder);
      }
      depth -= terms;
#pragma GCC unroll 6
      for (int at = 0; at < kBlock; ++at) high[at] += bits_of(sum[at]) - bits_of(start);
    }
#pragma GCC unroll 6
    for (int at = 0; at < kBlock; ++at) {
      const Vector upper = (remainder[at] + coarse) - coarse;
      rest[at] += upper;
      fine[at] += remainder[at] - upper;
    }
  }
  Words low[kBlock];
  for (int at = 0; at < kBlock; ++at) {
    for (int lane = 0; lane < kKernelLanes; ++lane) {
      low[at][lane] =
          static_cast<std::int64_t>(rest[at][lane]) + static_cast<std::int64_t>(fine[at][lane]);
    }
  }
  put(high, low, sums);
}

constexpr int kNarrowScale = 30;

// |x y| <= 2^60: kMostTerms of them keep s within its binade, and their remainders are below 2^40.
void narrow_block(const LaneWords* a, const LaneWords* b, std::int64_t depth, LaneSum* sums) {
  const auto* x = reinterpret_cast<const Vector*>(a);
  const auto* y = reinterpret_cast<const Vector*>(b);
  const Vector start = Vector{} + 0x1.8p82;
  Vector sum[kBlock], remainder[kBlock];
#pragma GCC unroll 6
  for (int at = 0; at < kBlock; ++at) {
    sum[at] = start;
    remainder[at] = Vector{};
  }
  for (std::int64_t k = 0; k < depth; ++k, x += kRows, y += kColumns) step(x, y, sum, remainder);
  Words high[kBlock], low[kBlock];
#pragma GCC unroll 6
  for (int at = 0; at < kBlock; ++at) {
    high[at] = bits_of(sum[at]) - bits_of(start);
    for (int lane = 0; lane < kKernelLanes; ++lane) {
      low[at][lane] = static_cast<std::int64_t>(remainder[at][lane]);
    }
  }
  put(high, low, sums);
}

}  // namespace

const LaneKernel kFmaKernel = {"fma",        kRows, kColumns, kScale,
                               kNarrowScale, word,  block,    narrow_block};

}  // namespace lamina
#endif
