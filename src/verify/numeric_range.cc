// Hulls, folds and products of ranges.
#include "verify/numeric_range.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lamina {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr double kNothing = 1e-300;

// x^n of a magnitude; n is large only where the result is 0 or infinite anyway.
double power(double x, std::int64_t n) { return std::pow(x, static_cast<double>(n)); }

Interval fold_sum(const Interval& x, std::int64_t terms) {
  const auto n = static_cast<double>(terms);
  return Interval{n, n} * x;
}

Interval fold_product(const Interval& x, std::int64_t terms) {
  if (x.low >= 0.0) return {power(x.low, terms), power(x.high, terms)};
  const double most = std::max({1.0, power(std::fabs(x.low), terms), power(x.high, terms)});
  return {-most, most};
}

}  // namespace

Range Range::of(const Interval& interval) {
  Range range;
  range.finite = interval;
  return range;
}

Range Range::constant(double value) {
  if (std::isfinite(value)) return of({value, value});
  Range range;
  range.minus = value == -kInfinity;
  range.plus = value == kInfinity;
  return range;
}

Range hull(const Range& a, const Range& b) {
  Range out;
  out.finite = a.finite ? a.finite : b.finite;
  if (a.finite && b.finite) {
    out.finite =
        Interval{std::min(a.finite->low, b.finite->low), std::max(a.finite->high, b.finite->high)};
  }
  out.minus = a.minus || b.minus;
  out.plus = a.plus || b.plus;
  out.never_zero = a.excludes_zero() && b.excludes_zero();
  out.vague = a.vague || b.vague;
  return out;
}

Range fold(Monoid monoid, const Range& x, std::int64_t terms) {
  Range out = x;
  if (!x.finite || terms <= 0) return terms <= 0 ? Range::of({0.0, 0.0}) : out;
  if (monoid == Monoid::kSum) {
    out.finite = fold_sum(*x.finite, terms);
    out.never_zero = x.excludes_zero() && (x.at_least_zero() || x.at_most_zero());
  } else if (monoid == Monoid::kProd) {
    out.finite = fold_product(*x.finite, terms);
    out.minus = out.plus = x.minus || x.plus;
  }
  return out;
}

Range product(const Range& a, const Range& b) {
  Range out;
  if (a.finite && b.finite) out.finite = *a.finite * *b.finite;
  const bool infinite = a.minus || a.plus || b.minus || b.plus;
  out.minus = out.plus = infinite;
  out.never_zero = a.excludes_zero() && b.excludes_zero();
  out.vague = a.vague || b.vague;
  return out;
}

double magnitude(const Range& x) {
  return x.finite ? std::max(std::fabs(x.finite->low), std::fabs(x.finite->high)) : 0.0;
}

Range cut(Range x, double limit) {
  if (!x.finite) return x;
  const auto bound = [limit](double v) {
    return std::fabs(v) < kNothing ? 0.0 : std::clamp(v, -limit, limit);
  };
  x.finite = Interval{bound(x.finite->low), bound(x.finite->high)};
  return x;
}

Range vague_range(double limit) {
  Range range = Range::of({-limit, limit});
  range.vague = true;
  return range;
}

}  // namespace lamina
