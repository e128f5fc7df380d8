// The rules of plain numbers (docs/numerics.md): NaN, wrap-around, division by zero, remainders.
#include "num/algebra.h"

#include <doctest/doctest.h>

#include <limits>

using namespace lamina;
using num::Whole;

namespace {

constexpr Whole kMax = std::numeric_limits<Whole>::max();
constexpr Whole kMin = std::numeric_limits<Whole>::min();
const double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("integers wrap around") {
  CHECK(num::add(kMax, Whole{1}) == kMin);
  CHECK(num::sub(kMin, Whole{1}) == kMax);
  CHECK(num::mul(kMax, Whole{2}) == -2);
  CHECK(num::neg(kMin) == kMin);
  CHECK(num::abs(kMin) == kMin);
  CHECK(num::div(kMin, Whole{-1}) == kMin);
}

TEST_CASE("integer division by zero gives zero") {
  CHECK(num::div(Whole{7}, Whole{0}) == 0);
  CHECK(num::mod(Whole{7}, Whole{0}) == 0);
  CHECK(num::fmod(Whole{7}, Whole{0}) == 0);
  CHECK(num::fmod(kMin, Whole{-1}) == 0);
}

TEST_CASE("mod has the sign of the divisor, fmod of the dividend") {
  CHECK(num::mod(Whole{-7}, Whole{3}) == 2);
  CHECK(num::mod(Whole{7}, Whole{-3}) == -2);
  CHECK(num::fmod(Whole{-7}, Whole{3}) == -1);
  CHECK(num::fmod(Whole{7}, Whole{-3}) == 1);
  CHECK(num::mod(-7.5, 2.0) == 0.5);
  CHECK(num::mod(7.5, -2.0) == -0.5);
  CHECK(num::fmod(-7.5, 2.0) == -1.5);
  CHECK(std::isnan(num::mod(1.0, 0.0)));
}

TEST_CASE("NaN goes through max and min from either side, and compares false") {
  CHECK(std::isnan(num::max(kNaN, 1.0)));
  CHECK(std::isnan(num::max(1.0, kNaN)));
  CHECK(std::isnan(num::min(kNaN, 1.0)));
  CHECK(std::isnan(num::min(1.0, kNaN)));
  CHECK(num::less(kNaN, 1.0) == 0.0);
  CHECK(num::equal(kNaN, kNaN) == 0.0);
  CHECK(std::isnan(num::sign(kNaN)));
}

TEST_CASE("integer powers") {
  CHECK(num::pow(Whole{3}, Whole{4}) == 81);
  CHECK(num::pow(Whole{0}, Whole{0}) == 1);
  CHECK(num::pow(Whole{2}, Whole{64}) == 0);
  CHECK(num::pow(Whole{2}, Whole{-1}) == 0);
  CHECK(num::pow(Whole{-1}, Whole{-3}) == -1);
}

TEST_CASE("shifts by more than the width leave zero or the sign") {
  CHECK(num::shift_left(Whole{3}, Whole{2}) == 12);
  CHECK(num::shift_left(Whole{3}, Whole{64}) == 0);
  CHECK(num::shift_left(Whole{3}, Whole{-1}) == 0);
  CHECK(num::shift_right(Whole{-8}, Whole{1}) == -4);
  CHECK(num::shift_right(Whole{-8}, Whole{100}) == -1);
  CHECK(num::shift_right(Whole{8}, Whole{100}) == 0);
}

TEST_CASE("constants become integers by truncation, within the range") {
  CHECK(num::like(Whole{}, 2.9) == 2);
  CHECK(num::like(Whole{}, -2.9) == -2);
  CHECK(num::like(Whole{}, kInfinity) == kMax);
  CHECK(num::like(Whole{}, -kInfinity) == kMin);
  CHECK(num::like(Whole{}, kNaN) == 0);
}

TEST_CASE("rounding takes halves to even") {
  CHECK(num::round(0.5) == 0.0);
  CHECK(num::round(1.5) == 2.0);
  CHECK(num::round(-2.5) == -2.0);
}

TEST_CASE("softplus neither overflows nor loses small values") {
  CHECK(num::softplus(1000.0) == 1000.0);
  CHECK(num::softplus(-1000.0) == 0.0);
  CHECK(num::softplus(-40.0) == doctest::Approx(4.248354255291589e-18).epsilon(1e-15));
}
