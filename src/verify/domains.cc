// Casts of formal values and intervals, and inner products of intervals.
#include "verify/domains.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace lamina {

Formal FormalDomain::round_to(const Formal& x, DType dtype) const {
  if (!traits(dtype).is_integer || x.state == Formal::State::kPoison || x.bit) return x;
  if (const auto value = algebra_.known_integer(x)) {
    return algebra_.integer(wrap_to(dtype, *value));
  }
  if (!x.finite()) return algebra_.poison();
  return algebra_.fresh("cast to " + std::string(traits(dtype).name), {&x, 1});
}

Interval IntervalDomain::round_to(const Interval& x, DType dtype) const {
  if (!traits(dtype).is_integer) return x;
  if (const auto value = to_whole(x)) return integer(wrap_to(dtype, *value));
  const Interval y = trunc(x);
  const auto kept = [dtype](double v) {
    return std::fabs(v) < 0x1p62 &&
           wrap_to(dtype, static_cast<std::int64_t>(v)) == static_cast<std::int64_t>(v);
  };
  return kept(y.low) && kept(y.high) ? y : Interval{-kInfinity, kInfinity};
}

namespace {

// An enclosure of a sum of products by midpoint and radius, with every rounding counted.
struct MidpointSum {
  double sum = 0.0;
  double magnitude = 0.0;
  double radius = 0.0;

  void add(const Interval& x, const Interval& y) {
    const double mx = 0.5 * x.low + 0.5 * x.high;
    const double my = 0.5 * y.low + 0.5 * y.high;
    // Each radius covers the rounding of its midpoint.
    const double rx = std::max(x.high - mx, mx - x.low) * (1 + 0x1p-50);
    const double ry = std::max(y.high - my, my - y.low) * (1 + 0x1p-50);
    sum += mx * my;
    magnitude += std::fabs(mx * my);
    radius += std::fabs(mx) * ry + std::fabs(my) * rx + rx * ry;
  }

  Interval enclosure(std::int64_t terms) const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (!std::isfinite(magnitude) || !std::isfinite(radius)) return {-kInfinity, kInfinity};
    const double steps = static_cast<double>(terms) + 4.0;
    const double error = (radius + magnitude * steps * 0x1p-52) * (1 + steps * 0x1p-50) + 0x1p-1000;
    return {sum - error, sum + error};
  }
};

}  // namespace

void IntervalDomain::dots(const Strided<Interval>& a, const Strided<Interval>& b, std::int64_t n,
                          std::span<Interval> totals) const {
  std::vector<MidpointSum> sums(totals.size());
  for (std::int64_t k = 0; k < n; ++k) {
    const Interval* x = a.at + k * a.step;
    const Interval* y = b.at + k * b.step;
    for (MidpointSum& sum : sums) {
      sum.add(*x, *y);
      x += a.next;
      y += b.next;
    }
  }
  for (std::size_t j = 0; j < totals.size(); ++j) totals[j] = totals[j] + sums[j].enclosure(n);
}

}  // namespace lamina
