// Casts of formal values and intervals.
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

}  // namespace lamina
