// Inner products of residues: exact sums, reduced once.
#include <algorithm>
#include <vector>

#include "num/residue_field.h"

namespace lamina {
namespace {

// Two residues below 2^50 multiply to 100 bits, so 2^27 products fit; two below 2^32 to 64 bits,
// and their sum is split.
struct LaneSums {
  std::array<unsigned __int128, kLanes> p{};
  std::array<unsigned __int128, kLanes> q{};
  unsigned states = 0;  // all operand states or'ed: 0 when all are finite
  Formal::Slot slot = Formal::Slot::kKnown;

  void add(const Formal& x, const Formal& y) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      p[i] += static_cast<unsigned __int128>(x.p[i]) * y.p[i];
    }
    states |= static_cast<unsigned>(x.state) | static_cast<unsigned>(y.state);
    slot = std::max({slot, x.slot, y.slot});
    if (slot != Formal::Slot::kKnown) return;
    for (std::size_t i = 0; i < kLanes; ++i) q[i] += std::uint64_t{x.q[i]} * y.q[i];
  }
};

constexpr std::int64_t kMostTerms = std::int64_t{1} << 27;

}  // namespace

void ResidueField::dots(const Strided<Formal>& a, const Strided<Formal>& b, std::int64_t n,
                        std::span<Formal> totals) const {
  std::vector<LaneSums> sums(totals.size());
  for (std::int64_t first = 0; first < n; first += kMostTerms) {
    std::fill(sums.begin(), sums.end(), LaneSums{});
    for (std::int64_t k = first; k < std::min(n, first + kMostTerms); ++k) {
      const Formal* x = a.at + k * a.step;
      const Formal* y = b.at + k * b.step;
      for (LaneSums& sum : sums) {
        sum.add(*x, *y);
        x += a.next;
        y += b.next;
      }
    }
    for (std::size_t j = 0; j < totals.size(); ++j) {
      // A product with an infinite or undefined factor is undefined.
      if (sums[j].states != 0) {
        totals[j] = poison();
        continue;
      }
      Formal sum = blank(sums[j].slot);
      for (std::size_t i = 0; i < kLanes; ++i) {
        sum.p[i] = static_cast<std::uint64_t>(sums[j].p[i] % p_[i].value());
        if (sum.has_q()) sum.q[i] = static_cast<std::uint32_t>(sums[j].q[i] % q_[i].value());
      }
      totals[j] = totals[j] + sum;
    }
  }
}

}  // namespace lamina
