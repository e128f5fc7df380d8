// The number types over which the identity tester runs the generic interpreter.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "base/check.h"
#include "graph/interpret.h"
#include "num/formal.h"
#include "num/interval.h"

namespace lamina {

// Casts between float types are the identity here: rounding is another layer. A cast of a value
// that is no known integer to an integer type is a function of its own for each type.
class FormalDomain {
 public:
  using Number = Formal;

  explicit FormalDomain(const Algebra& algebra) : algebra_(algebra) {}

  Formal constant(double value) const { return algebra_.constant(value); }
  Formal integer(std::int64_t value) const { return algebra_.integer(value); }
  std::optional<std::int64_t> to_whole(const Formal& x) const { return algebra_.known_integer(x); }
  Formal round_to(const Formal& x, DType dtype) const;
  static auto scalar(const ScalarMeaning& meaning) { return meaning.formal; }
  Formal greatest(std::span<const Formal> values) const {
    return lamina::greatest(algebra_, values);
  }

  bool before(const Formal& a, const Formal& b) const {
    const auto x = algebra_.known_integer(a);
    const auto y = algebra_.known_integer(b);
    if (!x || !y) fail(ErrorCode::kUnsupported, "the order of values is not known in a field");
    return *x < *y;
  }

  void dots(const Strided<Formal>& a, const Strided<Formal>& b, std::int64_t n,
            std::span<Formal> totals) const {
    algebra_.dots(a, b, n, totals);
  }
  bool products(const Panel<Formal>& a, const Panel<Formal>& b, std::span<Formal> totals) const {
    return algebra_.products(a, b, totals);
  }

 private:
  const Algebra& algebra_;
};

// Reals enclosed by intervals: what a witness is checked with.
struct IntervalDomain {
  using Number = Interval;

  // A literal is the rational that Algebra::constant takes it for: it rounds to the double.
  Interval constant(double value) const { return like(Interval{}, value); }
  Interval integer(std::int64_t value) const {
    const auto x = static_cast<double>(value);
    return std::fabs(x) < 0x1p53
               ? Interval{x, x}
               : Interval{std::nextafter(x, -kInfinity), std::nextafter(x, kInfinity)};
  }
  std::optional<std::int64_t> to_whole(const Interval& x) const {
    const double low = std::trunc(x.low);
    if (low != std::trunc(x.high) || !(std::fabs(low) < 0x1p62)) return std::nullopt;
    return static_cast<std::int64_t>(low);
  }
  // Integers that may have wrapped around are not known at all.
  Interval round_to(const Interval& x, DType dtype) const;
  static auto scalar(const ScalarMeaning& meaning) { return meaning.interval; }

  bool before(const Interval& a, const Interval& b) const {
    if (a.high < b.low) return true;
    if (b.high <= a.low) return false;
    fail(ErrorCode::kUnsupported, "the order of two values is not decided at this point");
  }

  void dots(const Strided<Interval>& a, const Strided<Interval>& b, std::int64_t n,
            std::span<Interval> totals) const;
  bool products(const Panel<Interval>& a, const Panel<Interval>& b,
                std::span<Interval> totals) const;

 private:
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
};

}  // namespace lamina
