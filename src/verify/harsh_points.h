// Two graphs enclosed by intervals at many real points, harsh ones among them: what tells a wrong
// acceptance of the identity tester from a right one, without its fields.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "verify/evaluate.h"
#include "verify/inputs.h"
#include "verify/point_check.h"
#include "verify/secret_random.h"

namespace lamina::verify_test {

struct Enclosures {
  int points = 0;    // that could be evaluated
  double gap = 0.0;  // greatest relative distance of two disjoint enclosures
  // The most by which the graphs differ, relative to their outputs, at the point where all
  // elements are bounded and least is left open; infinite where no point bounds all elements.
  double distance = std::numeric_limits<double>::infinity();
};

// An element of many magnitudes, zeros and ties among them.
inline double harsh(int kind, SecretRandom& random) {
  const double sign = random.below(2) == 0 ? -1.0 : 1.0;
  switch (kind) {
    case 0:
      return sign * std::exp2(24.0 * random.unit() - 12.0);
    case 1:
      return static_cast<double>(random.below(3)) - 1.0;
    case 2:  // so small that its product with a prime of 31 bits may be an exponent
      return sign * std::exp2(-31.0) * random.unit();
    default:
      return random.below(4) == 0 ? 0.0 : sign * std::exp2(8.0 * random.unit() - 4.0);
  }
}

inline RealPoint harsh_point(const std::vector<InputPlan>& plans, int number,
                             SecretRandom& random) {
  constexpr int kGentle = 5;  // distributions of draw_reals
  constexpr int kKinds = kGentle + 4;
  const int kind = number % kKinds;
  RealPoint point = draw_reals(plans, std::min(kind, kGentle - 1), random);
  if (kind < kGentle) return point;
  for (Array<Interval>& array : point) {
    for (Interval& x : array.real) {
      const double value = harsh(kind - kGentle, random);
      x = {value, value};
    }
  }
  return point;
}

// Both graphs have fixed shapes. Stops at the first gap.
inline Enclosures enclose_at_harsh_points(const Graph& a, const Graph& b, int points) {
  const VerifyOptions options;
  const Sizes sizes;
  const std::vector<InputPlan> plans = plan_inputs(a, b, sizes);
  SecretRandom random(SecretRandom::system_seed());
  Enclosures seen;
  for (int i = 0; i < points && seen.gap == 0.0; ++i) {
    try {
      const PointResult at =
          compare_at({a, b, plans, sizes, options}, harsh_point(plans, i, random));
      ++seen.points;
      seen.gap = at.gap;
      if (at.unbounded == 0) seen.distance = std::min(seen.distance, at.most_distance);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;  // an undecided branch
    }
  }
  return seen;
}

}  // namespace lamina::verify_test
