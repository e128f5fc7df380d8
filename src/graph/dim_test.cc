// Dimensions: canonical forms, quotients, the text form.
#include <doctest/doctest.h>

#include "lamina/error.h"
#include "lamina/graph.h"

using namespace lamina;

namespace {

const Dim B = Dim::size("B");
const Dim T = Dim::size("T");

}  // namespace

TEST_CASE("equal expressions have one form") {
  CHECK((B + T) * (B + T) == B * B + 2 * B * T + T * T);
  CHECK(T + B - T == B);
  CHECK(B * T == T * B);
  CHECK((B - B) == Dim(0));
  CHECK((B - B).is_constant());
}

TEST_CASE("quotients simplify where they are exact") {
  CHECK(floor_div(8 * B * T, 2 * T) == 4 * B);
  CHECK(floor_div(6 * T + 4, 2) == 3 * T + 2);
  CHECK(ceil_div(6 * T + 3, 2) == 3 * T + 2);
  CHECK(floor_div(T, T) == Dim(1));
  CHECK(!floor_div(T, 2).is_constant());
}

TEST_CASE("quotients round down and up, of negative numbers too") {
  CHECK(floor_div(Dim(-7), 2) == Dim(-4));
  CHECK(ceil_div(Dim(-7), 2) == Dim(-3));
  CHECK(floor_div(T - 7, 2).evaluate({{"T", 0}}) == -4);
  CHECK(ceil_div(T, 16).evaluate({{"T", 17}}) == 2);
  CHECK_THROWS_AS(floor_div(T, 0), Error);
  CHECK_THROWS_AS(floor_div(Dim(1), T).evaluate({{"T", 0}}), Error);
}

TEST_CASE("evaluation names a missing size, substitution keeps it") {
  CHECK((2 * T + 1).evaluate({{"T", 3}}) == 7);
  CHECK_THROWS_WITH_AS(T.evaluate({}), "size 'T' has no value", Error);
  CHECK((B * T).substitute({{"T", Dim(4)}}) == 4 * B);
  CHECK(floor_div(T, 2).substitute({{"T", 2 * B}}) == B);
}

TEST_CASE("the text form reads back") {
  for (const Dim& dim : {2 * T + 3 - B, ceil_div(T + 1, 16) * B, floor_div(T, B) - 5, Dim(-3)}) {
    CAPTURE(dim.to_string());
    CHECK(Dim::parse(dim.to_string()) == dim);
  }
  CHECK(Dim::parse("2*(T + 1) - -3") == 2 * T + 5);
  for (const char* bad : {"", "2*", "T T", "(T", "floor(T)", "1x", "99999999999999999999"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(Dim::parse(bad), Error);
  }
}

TEST_CASE("overflow is refused") {
  const Dim large = std::int64_t{1} << 62;
  CHECK_THROWS_AS(large + large, Error);
  CHECK_THROWS_AS(large * 4, Error);
  CHECK_THROWS_AS((large * T).evaluate({{"T", 4}}), Error);
}
