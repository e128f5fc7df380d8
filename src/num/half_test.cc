// Rounding of the 16-bit floats: every value, and the points between.
#include "num/half.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace lamina;

namespace {

template <class Half>
Half from_bits(int bits) {
  Half half;
  half.bits = static_cast<std::uint16_t>(bits);
  return half;
}

// Every finite non-negative value reads back; between neighbours the nearer one is taken, and at
// the middle the one with an even last bit.
template <class Half>
void check_all(int infinity) {
  for (int bits = 0; bits < infinity; ++bits) {
    const double here = static_cast<double>(from_bits<Half>(bits));
    REQUIRE(Half(here).bits == bits);
    REQUIRE(Half(-here).bits == (bits | 0x8000));
    if (bits + 1 == infinity) break;
    const double above = static_cast<double>(from_bits<Half>(bits + 1));
    const double middle = here + (above - here) / 2;
    REQUIRE(Half(middle).bits == bits + bits % 2);
    // Just off the middle by less than a float can hold: rounding twice would go wrong.
    REQUIRE(Half(std::nextafter(middle, 0.0)).bits == bits);
    REQUIRE(Half(std::nextafter(middle, 1e300)).bits == bits + 1);
  }
}

}  // namespace

TEST_CASE("bf16 rounds once, to nearest even") { check_all<bf16>(0x7f80); }
TEST_CASE("f16 rounds once, to nearest even") { check_all<f16>(0x7c00); }

TEST_CASE("overflow and special values of the 16-bit floats") {
  CHECK(f16(65504.0).bits == 0x7bff);  // the largest f16
  CHECK(f16(65519.9).bits == 0x7bff);
  CHECK(f16(65520.0).bits == 0x7c00);
  CHECK(bf16(3.4e38).bits == 0x7f80);
  CHECK(bf16(-INFINITY).bits == 0xff80);
  CHECK(std::isnan(static_cast<double>(f16(std::nan("")))));
  CHECK(std::isnan(static_cast<double>(bf16(std::nan("")))));
  CHECK(std::isinf(static_cast<double>(f16(-INFINITY))));
}

TEST_CASE("rounding to odd keeps what a second rounding needs") {
  CHECK(round_to_odd(1.0) == 1.0f);
  const double barely_above = 1.0 + 0x1p-40;
  CHECK(round_to_odd(barely_above) == std::nextafterf(1.0f, 2.0f));
}
