// Products of residues in 128-bit integers.
#include "num/lane_kernel.h"

namespace lamina {
namespace {

constexpr int kRows = 2;
constexpr int kColumns = 2;
constexpr int kScale = 62;

std::uint64_t word(std::uint64_t residue, std::uint64_t) { return residue; }

void block(const LaneWords* a, const LaneWords* b, std::int64_t depth, LaneSum* sums) {
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
        LaneSum& sum = sums[i * kColumns + j];
        sum.high[lane] = static_cast<std::int64_t>(total[i][j] >> kScale);
        sum.low[lane] = static_cast<std::int64_t>(total[i][j] & ((std::uint64_t{1} << kScale) - 1));
      }
    }
  }
}

}  // namespace

const LaneKernel kPortableKernel = {"portable", kRows, kColumns, kScale,
                                    kScale,     word,  block,    block};

}  // namespace lamina
