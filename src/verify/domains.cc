// Inner products over residues and intervals.
#include "verify/domains.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

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

namespace {

// Exact sums of products. Two residues mod p < 2^50 multiply to 100 bits, so 2^28 of them fit; the
// products mod q are summed in 64 bits, terms_of() at a time.
struct ProductSum {
  unsigned __int128 p = 0;
  std::uint64_t q = 0;
  unsigned states = 0;  // all operand states or'ed: 0 when all are finite
  unsigned slots = 0;   // likewise

  void add(const Residue& x, const Residue& y) {
    p += static_cast<unsigned __int128>(x.p) * y.p;
    q += std::uint64_t{x.q} * y.q;
    states |= static_cast<unsigned>(x.state) | static_cast<unsigned>(y.state);
    slots |= static_cast<unsigned>(x.slot) | static_cast<unsigned>(y.slot);
  }

  // The greatest of the slots that were or'ed.
  Residue::Slot slot() const {
    const auto absent = static_cast<unsigned>(Residue::Slot::kAbsent);
    if ((slots & absent) != 0) return Residue::Slot::kAbsent;
    return slots == 0 ? Residue::Slot::kKnown : Residue::Slot::kVoid;
  }
};

std::int64_t terms_of(std::uint64_t q) {
  const std::uint64_t terms = ~std::uint64_t{0} / ((q - 1) * (q - 1));
  return static_cast<std::int64_t>(std::min(terms, std::uint64_t{1} << 27));
}

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

void ResidueDomain::dots(const Strided<Residue>& a, const Strided<Residue>& b, std::int64_t n,
                         std::span<Residue> totals) const {
  const std::int64_t terms = terms_of(field_.q());
  std::vector<ProductSum> sums(totals.size());
  for (std::int64_t first = 0; first < n; first += terms) {
    std::fill(sums.begin(), sums.end(), ProductSum{});
    for (std::int64_t k = first; k < std::min(n, first + terms); ++k) {
      const Residue* x = a.at + k * a.step;
      const Residue* y = b.at + k * b.step;
      for (ProductSum& sum : sums) {
        sum.add(*x, *y);
        x += a.next;
        y += b.next;
      }
    }
    for (std::size_t j = 0; j < totals.size(); ++j) {
      const auto p = static_cast<std::uint64_t>(sums[j].p % field_.p());
      const std::uint64_t q = sums[j].q % field_.q();
      // A product with an infinite or undefined factor is undefined.
      totals[j] =
          sums[j].states == 0 ? totals[j] + field_.finite(p, q, sums[j].slot()) : field_.poison();
    }
  }
}

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
