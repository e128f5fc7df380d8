// Products of residues in double precision, for AVX2 and FMA.
//
// Residues x, y are taken from (-m/2, m/2), so |x y| <= 2^98. A running sum s starts at 1.5 *
// 2^(52 + U) and stays in the binade of that number, where neighbours are 2^U apart: h = fma(x, y,
// s) is s + x y rounded to a multiple of 2^U, d = h - s is exact, and so is the remainder fma(x, y,
// -d), at most 2^(U - 1). Two fused operations and two additions are one exact product of 100 bits.
// Before a sum could leave its binade, or the remainders 53 bits, they are split into parts of 26
// bits, which have room for kMostTerms terms.
#include "num/lane_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace lamina {
namespace {

// They may lie where words do.
using Vector = double __attribute__((vector_size(32), may_alias));
using Words = std::uint64_t __attribute__((vector_size(32), may_alias));

constexpr int kRows = 2;
constexpr int kColumns = 3;
constexpr int kBlock = kRows * kColumns;

// c + a * b and a * b - c, rounded once.
inline Vector fused(Vector a, Vector b, Vector c) {
  return static_cast<Vector>(_mm256_fmadd_pd(a, b, c));
}
inline Vector fused_less(Vector a, Vector b, Vector c) {
  return static_cast<Vector>(_mm256_fmsub_pd(a, b, c));
}
inline Vector nearest(Vector x) {
  return static_cast<Vector>(_mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

// Integers below 2^52, and back: as the last bits of 2^52 + x.
inline Vector to_double(Words x) {
  const Vector one = Vector{} + 0x1p52;
  return reinterpret_cast<Vector>(x | reinterpret_cast<Words>(one)) - one;
}
inline Words to_words(Vector x) {
  const Vector one = Vector{} + 0x1p52;
  return reinterpret_cast<Words>(x + one) ^ reinterpret_cast<Words>(one);
}

Vector doubles_of(const LaneWords& words) {
  return to_double(*reinterpret_cast<const Words*>(words.lane));
}

void pack(const LaneWords* from, std::int64_t count, const LaneModuli& moduli, LaneWords* to,
          std::int64_t stride) {
  const Vector m = doubles_of(moduli.value);
  const Vector half = m * 0.5;
  for (std::int64_t k = 0; k < count; ++k) {
    const Vector x = doubles_of(from[k]);
    *reinterpret_cast<Vector*>(to[k * stride].lane) = x - (x > half ? m : Vector{});
  }
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

// Modulo m, for |x| < 2^33 and |y| < m, or |x| < 2^43 and m < 2^31: within (-m, m).
class Reducer {
 public:
  explicit Reducer(const LaneModuli& moduli) : m_(doubles_of(moduli.value)), inverse_(1.0 / m_) {}

  Vector product(Vector x, Vector y) const {
    const Vector high = x * y;
    const Vector low = fused_less(x, y, high);
    const Vector quotient = nearest(high * inverse_);
    return fused(-quotient, m_, high) + low;
  }
  // A sum of few such values in [0, m).
  Words residue(Vector x) const {
    const Vector near = fused(-nearest(x * inverse_), m_, x);
    const Vector positive = near + (near < 0.0 ? m_ : Vector{});
    return to_words(positive - (positive >= m_ ? m_ : Vector{}));
  }

 private:
  Vector m_;
  Vector inverse_;
};

void put(Words x, LaneWords& to) { *reinterpret_cast<Words*>(to.lane) = x; }

// A sum of integers, as a multiple of 2^26 and the rest.
struct Parts {
  Vector upper{};
  Vector lower{};

  // |x| < 2^53.
  [[gnu::always_inline]] void add(Vector x) {
    const Vector coarse = Vector{} + 0x1.8p78;
    const Vector rounded = (x + coarse) - coarse;
    upper += rounded;
    lower += x - rounded;
  }
};

// 8 products of at most 2^98 keep a sum within its binade at U = 50; 16 remainders of at most 2^49
// sum exactly.
constexpr std::int64_t kSums = 8;
constexpr std::int64_t kRemainders = 16;

void wide_block(const Vector* x, const Vector* y, std::int64_t depth, const LaneModuli& moduli,
                LaneWords* sums) {
  const Vector start = Vector{} + 0x1.8p102;
  Vector sum[kBlock], remainder[kBlock];
  Parts high[kBlock], low[kBlock];
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
      for (int at = 0; at < kBlock; ++at) high[at].add((sum[at] - start) * 0x1p-50);
    }
#pragma GCC unroll 6
    for (int at = 0; at < kBlock; ++at) low[at].add(remainder[at]);
  }
  const Vector upper = doubles_of(moduli.power_26);
  const Vector unit = doubles_of(moduli.power_50);
  const Vector upper_unit = doubles_of(moduli.power_76);
  const Reducer modulo(moduli);
  for (int at = 0; at < kBlock; ++at) {
    const Vector total = modulo.product(high[at].upper * 0x1p-26, upper_unit) +
                         modulo.product(high[at].lower, unit) +
                         modulo.product(low[at].upper * 0x1p-26, upper) + low[at].lower;
    put(modulo.residue(total), sums[at]);
  }
}

// |x y| <= 2^60: at U = 30 kMostTerms of them stay in a binade, and their remainders exact.

void narrow_block(const Vector* x, const Vector* y, std::int64_t depth, const LaneModuli& moduli,
                  LaneWords* sums) {
  const Vector start = Vector{} + 0x1.8p82;
  Vector sum[kBlock], remainder[kBlock];
#pragma GCC unroll 6
  for (int at = 0; at < kBlock; ++at) {
    sum[at] = start;
    remainder[at] = Vector{};
  }
  for (std::int64_t k = 0; k < depth; ++k, x += kRows, y += kColumns) step(x, y, sum, remainder);
  const Vector unit = doubles_of(moduli.power_30);
  const Reducer modulo(moduli);
#pragma GCC unroll 6
  for (int at = 0; at < kBlock; ++at) {
    const Vector high = modulo.product((sum[at] - start) * 0x1p-30, unit);
    put(modulo.residue(high + remainder[at]), sums[at]);
  }
}

void block(const LaneWords* a, const LaneWords* b, std::int64_t depth, const LaneModuli& moduli,
           LaneWords* sums) {
  const auto* x = reinterpret_cast<const Vector*>(a);
  const auto* y = reinterpret_cast<const Vector*>(b);
  (moduli.narrow ? narrow_block : wide_block)(x, y, depth, moduli, sums);
}

}  // namespace

const LaneKernel kFmaKernel = {"fma", kRows, kColumns, pack, block};

}  // namespace lamina
#endif
