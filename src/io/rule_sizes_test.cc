// Linear forms over unknown sizes and their solutions.
#include "io/rule_sizes.h"

#include <doctest/doctest.h>

using namespace lamina;

TEST_CASE("sizes: equations between sums are solved in positive integers") {
  SizeSystem system;
  const LinearForm a = system.unknown(), b = system.unknown(), c = system.unknown();
  REQUIRE(system.equate(a + b, 2 * c));
  REQUIRE(system.equate(3 * a, 2 * b));
  for (int variant = 0; variant < 5; ++variant) {
    const auto values = system.solve(variant);
    REQUIRE(values);
    const auto value = [&](const LinearForm& form) { return evaluate(form, *values); };
    CHECK(value(a) + value(b) == 2 * value(c));
    CHECK(3 * value(a) == 2 * value(b));
    CHECK(value(a) > 0);
  }
}

TEST_CASE("sizes: what no integers satisfy is refused") {
  SizeSystem system;
  const LinearForm a = system.unknown(), b = system.unknown();
  CHECK_FALSE(system.equate(2 * a, 2 * b + 1));
  REQUIRE(system.equate(a + b, a));
  CHECK_FALSE(system.solve(0));  // b = 0
}

TEST_CASE("sizes: minima and variety") {
  SizeSystem system;
  const LinearForm a = system.unknown(), b = system.unknown(0);
  REQUIRE(system.equate(b, 0));
  bool odd = false, even = false;
  for (int variant = 0; variant < 4; ++variant) {
    const auto values = system.solve(variant);
    REQUIRE(values);
    (evaluate(a, *values) % 2 == 0 ? even : odd) = true;
  }
  CHECK(odd);
  CHECK(even);
}

TEST_CASE("sizes: coefficients that overflow are refused, not wrapped") {
  SizeSystem system;
  LinearForm form = system.unknown();
  CHECK_THROWS(([&] {
    for (int i = 0; i < 80; ++i) form = form + form;
  })());
}
