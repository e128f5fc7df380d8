// Inner products of residues: exact sums, reduced once.
#include <algorithm>
#include <vector>

#include "num/lane_products.h"
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

// Products of fewer terms gain nothing from being copied.
constexpr std::int64_t kFewTerms = 64;

// A line of an operand as a whole.
struct LineTags {
  bool finite = true;
  Formal::Slot slot = Formal::Slot::kKnown;
};

std::vector<LineTags> tags_of(const Panel<Formal>& panel) {
  std::vector<LineTags> tags(static_cast<std::size_t>(panel.lines));
  for (std::int64_t i = 0; i < panel.lines; ++i) {
    LineTags& line = tags[static_cast<std::size_t>(i)];
    for (std::size_t k = 0; k < panel.steps.size(); ++k) {
      const Formal& x = panel(i, k);
      line.finite = line.finite && x.finite();
      line.slot = std::max(line.slot, x.slot);
    }
  }
  return tags;
}

template <class Residues>
LaneMatrix matrix_of(const Panel<Formal>& panel, Residues residues) {
  LaneMatrix matrix{panel.lines, static_cast<std::int64_t>(panel.steps.size()), {}};
  matrix.elements.resize(static_cast<std::size_t>(matrix.lines * matrix.depth));
  auto to = matrix.elements.begin();
  for (std::int64_t i = 0; i < panel.lines; ++i) {
    for (std::size_t k = 0; k < panel.steps.size(); ++k, ++to) {
      std::copy_n((panel(i, k).*residues).begin(), kLanes, to->begin());
    }
  }
  return matrix;
}

bool any_exponent(const std::vector<LineTags>& lines) {
  return std::any_of(lines.begin(), lines.end(),
                     [](const LineTags& line) { return line.slot == Formal::Slot::kKnown; });
}

}  // namespace

bool ResidueField::products(const Panel<Formal>& a, const Panel<Formal>& b,
                            std::span<Formal> totals) const {
  const auto depth = static_cast<std::int64_t>(a.steps.size());
  if (depth == 0 || a.lines < 2 || b.lines < 2 || a.lines * b.lines * depth < kFewTerms) {
    return false;
  }
  const std::vector<LineTags> rows = tags_of(a);
  const std::vector<LineTags> columns = tags_of(b);
  const auto p = lane_products(matrix_of(a, &Formal::p), matrix_of(b, &Formal::p), p_);
  std::vector<Lanes> q;
  if (any_exponent(rows) && any_exponent(columns)) {
    q = lane_products(matrix_of(a, &Formal::q), matrix_of(b, &Formal::q), q_);
  }
  std::size_t at = 0;
  for (const LineTags& row : rows) {
    for (const LineTags& column : columns) {
      Formal& total = totals[at];
      // A product with an infinite or undefined factor is undefined.
      total = row.finite && column.finite ? blank(std::max(row.slot, column.slot)) : poison();
      if (total.finite()) total.p = p[at];
      if (total.has_q()) std::copy(q[at].begin(), q[at].end(), total.q.begin());
      ++at;
    }
  }
  return true;
}

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
