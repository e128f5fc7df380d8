// Sums of products of intervals by midpoints and radii, with every rounding counted.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "verify/domains.h"

namespace lamina {
namespace {

struct Midpoint {
  double middle = 0.0;
  double radius = 0.0;  // covers the rounding of the middle

  explicit Midpoint(const Interval& x)
      : middle(0.5 * x.low + 0.5 * x.high),
        radius(std::max(x.high - middle, middle - x.low) * (1 + 0x1p-50)) {}
};

Interval enclosure(double sum, double magnitude, double radius, std::size_t terms) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!std::isfinite(magnitude) || !std::isfinite(radius)) return {-kInfinity, kInfinity};
  const double steps = static_cast<double>(terms) + 4.0;
  const double error = (radius + magnitude * steps * 0x1p-52) * (1 + steps * 0x1p-50) + 0x1p-1000;
  return {sum - error, sum + error};
}

// Neighbouring lines of the second operand, side by side.
constexpr std::int64_t kWidth = 8;

struct Block {
  std::vector<double> middles;  // [k][kWidth], as are the radii
  std::vector<double> radii;
  bool exact = true;  // all radii are 0
};

Block block_of(const Panel<Interval>& panel, std::int64_t first) {
  const std::size_t depth = panel.steps.size();
  Block block{std::vector<double>(depth * kWidth), std::vector<double>(depth * kWidth)};
  for (std::int64_t j = first; j < std::min(first + kWidth, panel.lines); ++j) {
    for (std::size_t k = 0; k < depth; ++k) {
      const Midpoint x(panel(j, k));
      const std::size_t at = k * kWidth + static_cast<std::size_t>(j - first);
      block.middles[at] = x.middle;
      block.radii[at] = x.radius;
      block.exact = block.exact && x.radius == 0.0;
    }
  }
  return block;
}

struct BlockSums {
  double sum[kWidth] = {};
  double magnitude[kWidth] = {};
  double radius[kWidth] = {};
};

// Without radii where they are all 0.
template <bool kExact>
BlockSums sums_of(const std::vector<Midpoint>& row, const Block& block) {
  BlockSums sums;
  const double* middle = block.middles.data();
  const double* radius = block.radii.data();
  for (const Midpoint& x : row) {
    const double size = std::fabs(x.middle);
    for (int j = 0; j < kWidth; ++j) {
      const double product = x.middle * middle[j];
      sums.sum[j] += product;
      sums.magnitude[j] += std::fabs(product);
      if constexpr (!kExact) {
        sums.radius[j] += size * radius[j] + (std::fabs(middle[j]) + radius[j]) * x.radius;
      }
    }
    middle += kWidth;
    radius += kWidth;
  }
  return sums;
}

}  // namespace

bool IntervalDomain::products(const Panel<Interval>& a, const Panel<Interval>& b,
                              std::span<Interval> totals) const {
  const std::size_t depth = a.steps.size();
  std::vector<std::vector<Midpoint>> rows(static_cast<std::size_t>(a.lines));
  std::vector<bool> exact(rows.size(), true);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t k = 0; k < depth; ++k) {
      rows[i].emplace_back(a(static_cast<std::int64_t>(i), k));
      exact[i] = exact[i] && rows[i].back().radius == 0.0;
    }
  }
  for (std::int64_t first = 0; first < b.lines; first += kWidth) {
    const Block block = block_of(b, first);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const BlockSums sums =
          block.exact && exact[i] ? sums_of<true>(rows[i], block) : sums_of<false>(rows[i], block);
      Interval* const total = totals.data() + static_cast<std::int64_t>(i) * b.lines + first;
      for (std::int64_t j = 0; j < std::min(kWidth, b.lines - first); ++j) {
        total[j] = enclosure(sums.sum[j], sums.magnitude[j], sums.radius[j], depth);
      }
    }
  }
  return true;
}

void IntervalDomain::dots(const Strided<Interval>& a, const Strided<Interval>& b, std::int64_t n,
                          std::span<Interval> totals) const {
  const Interval* x = a.at;
  const Interval* y = b.at;
  for (Interval& total : totals) {
    double sum = 0.0, magnitude = 0.0, radius = 0.0;
    for (std::int64_t k = 0; k < n; ++k) {
      const Midpoint u(x[k * a.step]);
      const Midpoint v(y[k * b.step]);
      const double product = u.middle * v.middle;
      sum += product;
      magnitude += std::fabs(product);
      radius += std::fabs(u.middle) * v.radius + (std::fabs(v.middle) + v.radius) * u.radius;
    }
    total = total + enclosure(sum, magnitude, radius, static_cast<std::size_t>(n));
    x += a.next;
    y += b.next;
  }
}

}  // namespace lamina
