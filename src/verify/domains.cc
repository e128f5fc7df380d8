// Inner products over residues and intervals.
#include "verify/domains.h"

#include <algorithm>
#include <string>

namespace lamina {

Residue ResidueDomain::round_to(const Residue& x, DType dtype) const {
  if (!traits(dtype).is_integer || x.state == Residue::State::kPoison || x.bit) return x;
  if (const auto value = field_.known_integer(x)) return field_.integer(wrap_to(dtype, *value));
  if (!x.finite()) return field_.poison();
  return field_.fresh("cast to " + std::string(traits(dtype).name), {&x, 1});
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

// Products of two residues mod p < 2^50 fit 100 bits, so 2^28 of them can be summed before one
// reduction.
Residue ResidueDomain::dot(const Residue* a, std::int64_t step_a, const Residue* b,
                           std::int64_t step_b, std::int64_t n, Residue start) const {
  using Wide = unsigned __int128;
  constexpr std::int64_t kBlock = std::int64_t{1} << 27;
  for (std::int64_t first = 0; first < n; first += kBlock) {
    const std::int64_t count = std::min(kBlock, n - first);
    Wide p = 0;
    Wide q = 0;
    auto slot = Residue::Slot::kKnown;
    bool finite = true;
    for (std::int64_t i = first; i < first + count; ++i) {
      const Residue& x = a[i * step_a];
      const Residue& y = b[i * step_b];
      p += Wide(x.p) * y.p;
      q += Wide(x.q) * y.q;
      slot = std::max(slot, std::max(x.slot, y.slot));
      finite = finite && x.finite() && y.finite();
    }
    // A product with an infinite or undefined factor is undefined.
    if (!finite) return field_.poison();
    start = start + field_.finite(static_cast<std::uint64_t>(p % field_.p()),
                                  static_cast<std::uint64_t>(q % field_.q()), slot);
  }
  return start;
}

// Midpoint and radius: the sum of the products of the midpoints, with every rounding counted.
Interval IntervalDomain::dot(const Interval* a, std::int64_t step_a, const Interval* b,
                             std::int64_t step_b, std::int64_t n, Interval start) const {
  double sum = 0.0;
  double magnitude = 0.0;
  double radius = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    const Interval& x = a[i * step_a];
    const Interval& y = b[i * step_b];
    const double mx = 0.5 * x.low + 0.5 * x.high;
    const double my = 0.5 * y.low + 0.5 * y.high;
    // Each radius covers the rounding of its midpoint.
    const double rx = std::max(x.high - mx, mx - x.low) * (1 + 0x1p-50);
    const double ry = std::max(y.high - my, my - y.low) * (1 + 0x1p-50);
    sum += mx * my;
    magnitude += std::fabs(mx * my);
    radius += std::fabs(mx) * ry + std::fabs(my) * rx + rx * ry;
  }
  if (!std::isfinite(magnitude) || !std::isfinite(radius)) return {-kInfinity, kInfinity};
  const double steps = static_cast<double>(n) + 4.0;
  const double error = (radius + magnitude * steps * 0x1p-52) * (1 + steps * 0x1p-50) + 0x1p-1000;
  return start + Interval{sum - error, sum + error};
}

}  // namespace lamina
