// Intervals at the places where a function bends, jumps or is not defined. That every operator's
// intervals contain its values is checked in tests/conformance.
#include "num/interval.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace lamina;

namespace {

bool is_line(const Interval& x) { return std::isinf(x.low) && std::isinf(x.high); }

}  // namespace

TEST_CASE("interval arithmetic rounds outward") {
  const Interval third = Interval{1, 1} / Interval{3, 3};
  CHECK(third.low < third.high);
  CHECK((third * Interval{3, 3}).contains(1.0));
  const Interval product = Interval{-2, 3} * Interval{-5, 7};
  CHECK(product.contains(-15.0));
  CHECK(product.contains(21.0));
  CHECK(product.high < 21.001);
}

TEST_CASE("intervals of waves find the peaks inside") {
  CHECK(sin(Interval{1.0, 2.0}).high == 1.0);
  CHECK(sin(Interval{4.0, 5.0}).low == -1.0);
  CHECK(cos(Interval{-1.0, 1.0}).high == 1.0);
  CHECK(cos(Interval{3.0, 3.2}).low == -1.0);
  CHECK(sin(Interval{0.1, 0.2}).high < 0.2);
  CHECK(sin(Interval{-100, 100}) == Interval{-1.0, 1.0});
}

TEST_CASE("intervals of even functions reach their minimum") {
  CHECK(abs(Interval{-3, 2}) == Interval{0, 3});
  CHECK(cosh(Interval{-1, 2}).contains(1.0));
  CHECK(cosh(Interval{-1, 2}).high < std::cosh(2.0) + 1e-9);
}

TEST_CASE("whole powers of negative numbers are enclosed, negative ones as well") {
  const Interval cube = pow(Interval{-2, -2}, Interval{3, 3});
  CHECK(cube.contains(-8.0));
  CHECK(cube.high < -7.999);
  const Interval below = pow(Interval{-2, -2}, Interval{-3, -3});
  CHECK(below.contains(-0.125));
  CHECK(below.high < -0.124);
  CHECK(is_line(pow(Interval{-1, 1}, Interval{-1, -1})));
  CHECK(is_line(pow(Interval{-1, 1}, Interval{0.5, 0.5})));
}

TEST_CASE("where a function is not bounded the interval is the line") {
  CHECK(is_line(Interval{1, 2} / Interval{-1, 1}));
  CHECK(is_line(tan(Interval{1, 2})));
  CHECK(std::isinf(log(Interval{0, 1}).low));
}

TEST_CASE("comparisons are certain only where the intervals are apart") {
  CHECK(less(Interval{0, 1}, Interval{2, 3}) == Interval{1, 1});
  CHECK(less(Interval{2, 3}, Interval{0, 1}) == Interval{0, 0});
  CHECK(less(Interval{0, 2}, Interval{1, 3}) == Interval{0, 1});
  CHECK(equal(Interval{1, 1}, Interval{1, 1}) == Interval{1, 1});
  CHECK(select(Interval{0, 1}, Interval{1, 2}, Interval{5, 6}) == Interval{1, 6});
}
