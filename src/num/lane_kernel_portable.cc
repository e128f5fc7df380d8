// Products of residues in 128-bit integers.
#include "num/lane_kernel.h"

namespace lamina {
namespace {

constexpr int kRows = 2;
constexpr int kColumns = 2;

void pack(const LaneWords* from, std::int64_t count, const LaneModuli&, LaneWords* to,
          std::int64_t stride) {
  for (std::int64_t k = 0; k < count; ++k) to[k * stride] = from[k];
}

void block(const LaneWords* a, const LaneWords* b, std::int64_t depth, const LaneModuli& moduli,
           LaneWords* sums) {
  for (int lane = 0; lane < kKernelLanes; ++lane) {
    unsigned __int128 total[kRows][kColumns] = {};
    const LaneWords* x = a;
    const LaneWords* y = b;
    for (std::int64_t k = 0; k < depth; ++k) {
      for (int i = 0; i < kRows; ++i) {
        for (int j = 0; j < kColumns; ++j) {
          total[i][j] += static_cast<unsigned __int128>(x[i].lane[lane]) * y[j].lane[lane];
        }
      }
      x += kRows;
      y += kColumns;
    }
    for (int i = 0; i < kRows; ++i) {
      for (int j = 0; j < kColumns; ++j) {
        sums[i * kColumns + j].lane[lane] =
            static_cast<std::uint64_t>(total[i][j] % moduli.value.lane[lane]);
      }
    }
  }
}

}  // namespace

const LaneKernel kPortableKernel = {"portable", kRows, kColumns, pack, block};

}  // namespace lamina
