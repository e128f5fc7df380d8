// Interval arithmetic behind formal values. A function that is not known here has any value.
#include "verify/range_algebra.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lamina {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Interval kLine{-kInfinity, kInfinity};

bool is_zero(const Interval& x) { return x.low == 0.0 && x.high == 0.0; }

// 0 times an unbounded range is what interval arithmetic leaves open; the bounds are no values.
Interval times(const Interval& a, const Interval& b) {
  if (is_zero(a) || is_zero(b)) return {0.0, 0.0};
  if (a.low >= 0.0 && b.low >= 0.0) {
    const Interval product = a * b;
    const double high = a.high == 0.0 || b.high == 0.0 ? 0.0 : product.high;
    const bool finite = std::isfinite(a.high) && std::isfinite(b.high);
    return {finite ? std::max(0.0, product.low) : 0.0, finite ? high : kInfinity};
  }
  if (a.high <= 0.0) return -times(-a, b);
  if (b.high <= 0.0) return -times(a, -b);
  return a * b;
}

Interval quotient(const Interval& a, const Interval& b) {
  if (is_zero(b)) return kLine;
  if (is_zero(a)) return {0.0, 0.0};
  // The sign of a divisor that only touches 0 is known where the quotient is defined.
  if (a.low >= 0.0 && b.low >= 0.0) {
    return b.low > 0.0 && std::isfinite(a.high) && std::isfinite(b.high)
               ? Interval{std::max(0.0, (a / b).low), (a / b).high}
               : Interval{0.0, kInfinity};
  }
  if (a.high <= 0.0) return -quotient(-a, b);
  if (b.high <= 0.0) return -quotient(a, -b);
  return b.low > 0.0 ? a / b : kLine;
}

// Bounds that rounding outward would lose.
Interval exponential_of(const Interval& x) {
  Interval y = exp(x);
  if (x.low >= 0.0) y.low = std::max(y.low, 1.0);
  if (x.high <= 0.0) y.high = std::min(y.high, 1.0);
  return y;
}

Interval sine_of(const Interval& x) {
  constexpr double kBelowPi = 3.1415;
  Interval y = sin(x);
  if (x.low >= 0.0 && x.high <= kBelowPi) y.low = std::max(y.low, 0.0);
  if (x.high <= 0.0 && x.low >= -kBelowPi) y.high = std::min(y.high, 0.0);
  return y;
}

Interval root_of(const Interval& x) {
  const Interval y = sqrt({std::max(0.0, x.low), std::max(0.0, x.high)});
  return {std::max(0.0, y.low), y.high};
}

}  // namespace

Formal RangeAlgebra::kept(const Interval& range) const {
  Formal x;
  x.algebra = this;
  x.p[0] = ranges_.size();
  const bool bounds = !std::isnan(range.low) && !std::isnan(range.high);
  ranges_.push_back(bounds ? range : kLine);
  return x;
}

Formal RangeAlgebra::add(const Formal& a, const Formal& b) const {
  // Rounding outward would lose that a sum is not negative.
  const Interval& x = range(a);
  const Interval& y = range(b);
  Interval sum = x + y;
  if (x.low >= -y.low) sum.low = std::max(sum.low, 0.0);
  if (x.high <= -y.high) sum.high = std::min(sum.high, 0.0);
  return kept(sum);
}

Formal RangeAlgebra::negate(const Formal& x) const {
  const Formal negative = kept(-range(x));
  negatives_[x.p[0]] = negative.p[0];
  return negative;
}

Formal RangeAlgebra::multiply(const Formal& a, const Formal& b) const {
  if (a.p[0] != b.p[0]) return kept(times(range(a), range(b)));
  const Interval magnitude = abs(range(a));
  return kept(times(magnitude, magnitude));
}

Formal RangeAlgebra::divide(const Formal& a, const Formal& b) const {
  return kept(quotient(range(a), range(b)));
}

Formal RangeAlgebra::integer(std::int64_t value) const {
  const auto x = static_cast<double>(value);
  const bool exact = std::fabs(x) < 0x1p53;
  Formal result =
      kept(exact ? Interval{x, x}
                 : Interval{std::nextafter(x, -kInfinity), std::nextafter(x, kInfinity)});
  result.constant = true;
  result.bit = value == 0 || value == 1;
  return result;
}

Formal RangeAlgebra::exponential(const Formal& x, bool) const {
  return kept(exponential_of(range(x)));
}

std::optional<std::int64_t> RangeAlgebra::known_integer(const Formal& x) const {
  if (!x.constant || !x.finite()) return std::nullopt;
  const Interval& value = range(x);
  if (value.low != value.high || value.low != std::trunc(value.low)) return std::nullopt;
  if (std::fabs(value.low) >= 0x1p31) return std::nullopt;
  return static_cast<std::int64_t>(value.low);
}

bool RangeAlgebra::certainly_equal(const Formal& a, const Formal& b) const {
  if (a.p[0] == b.p[0]) return true;
  const auto x = known_integer(a);
  return x && x == known_integer(b);
}

Formal RangeAlgebra::fresh(std::string_view name, std::span<const Formal> operands) const {
  Interval value = kLine;
  if (operands.size() == 1 && operands[0].finite()) {
    const Interval& x = range(operands[0]);
    if (name == "sqrt") value = root_of(x);
    if (name == "sin") value = sine_of(x);
    if (name == "cos") value = cos(x);
    if (name == "log") value = log(x);
    if (name == "less" || name == "equal") value = {0.0, 1.0};
    if (name == "sign" || name == "erf") value = {-1.0, 1.0};
    if (name.starts_with("root ") && x.low >= 0.0) value = {0.0, kInfinity};
    if (name == "cbrt" && x.low >= 0.0) value = {0.0, kInfinity};
  }
  return new_variable(kept(value));
}

Formal RangeAlgebra::greatest(std::span<const Formal> operands) const {
  if (operands.size() == 2) {
    const auto negative = negatives_.find(operands[0].p[0]);
    if (negative != negatives_.end() && negative->second == operands[1].p[0]) {
      return new_variable(kept(abs(range(operands[0]))));
    }
  }
  Interval most{-kInfinity, -kInfinity};
  for (const Formal& x : operands) {
    most = {std::max(most.low, range(x).low), std::max(most.high, range(x).high)};
  }
  return new_variable(kept(most));
}

}  // namespace lamina
