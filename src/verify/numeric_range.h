// Range: what is known of all elements of a value, for the range analysis.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "graph/op_def.h"
#include "num/interval.h"

namespace lamina {

// The elements are reals in `finite` (when present), or infinities that the program itself put
// there (masks). Values that overflowed are not followed: they are reported and then taken to be at
// the end of their type.
struct Range {
  std::optional<Interval> finite;
  bool minus = false;       // may be -infinity
  bool plus = false;        // may be +infinity
  bool never_zero = false;  // in exact arithmetic; underflow is for the measurement to show
  bool vague = false;       // nothing better was known: that it is large says nothing

  static Range of(const Interval& interval);
  static Range constant(double value);
  bool at_least_zero() const { return !minus && finite && finite->low >= 0.0; }
  bool at_most_zero() const { return !plus && finite && finite->high <= 0.0; }
  bool excludes_zero() const { return never_zero || !finite || !finite->contains(0.0); }
  bool operator==(const Range&) const = default;
};

// Values of either.
Range hull(const Range& a, const Range& b);

// Sums of `terms` values, their product, their largest or smallest.
Range fold(Monoid monoid, const Range& x, std::int64_t terms);
Range product(const Range& a, const Range& b);

// The largest magnitude of a bound; 0 for infinities alone.
double magnitude(const Range& x);
// The bounds cut to [-limit, limit]; bounds that outward rounding moved off 0 are put back.
Range cut(Range x, double limit);
Range vague_range(double limit);

}  // namespace lamina
