// Products of residues by the 52-bit multiply-adds of AVX-512 IFMA: two instructions for a product
// of eight lanes, that is of two neighbouring columns.
#include "num/lane_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace lamina {
namespace {

constexpr int kRows = 6;
constexpr int kColumns = 2;
void pack(const LaneWords* from, std::int64_t count, const LaneModuli&, LaneWords* to,
          std::int64_t stride) {
  for (std::int64_t k = 0; k < count; ++k) to[k * stride] = from[k];
}

// kMostTerms halves of 52 bits fit into 61.
void block(const LaneWords* a, const LaneWords* b, std::int64_t depth, const LaneModuli& moduli,
           LaneWords* sums) {
  __m512i low[kRows], high[kRows];
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) low[i] = high[i] = _mm512_setzero_si512();
  for (std::int64_t k = 0; k < depth; ++k) {
    const __m512i y = _mm512_loadu_si512(b);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      const auto* row = reinterpret_cast<const __m256i*>(a) + i;
      const __m512i x = _mm512_broadcast_i64x4(_mm256_loadu_si256(row));
      low[i] = _mm512_madd52lo_epu64(low[i], x, y);
      high[i] = _mm512_madd52hi_epu64(high[i], x, y);
    }
    a += kRows;
    b += kColumns;
  }
  for (int i = 0; i < kRows; ++i) {
    alignas(64) std::uint64_t l[kColumns * kKernelLanes], h[kColumns * kKernelLanes];
    _mm512_store_si512(l, low[i]);
    _mm512_store_si512(h, high[i]);
    for (int at = 0; at < kColumns * kKernelLanes; ++at) {
      const int lane = at % kKernelLanes;
      const unsigned __int128 sum = (static_cast<unsigned __int128>(h[at]) << 52) + l[at];
      sums[i * kColumns + at / kKernelLanes].lane[lane] =
          static_cast<std::uint64_t>(sum % moduli.value.lane[lane]);
    }
  }
}

}  // namespace

const LaneKernel kIfmaKernel = {"ifma", kRows, kColumns, pack, block};

}  // namespace lamina
#endif
