// Roots as symbols: what is proved by them, and what must not be.
#include "verify/root_level.h"

#include <doctest/doctest.h>

#include <string>

#include "lamina/identity.h"
#include "verify/range_algebra.h"

using namespace lamina;

namespace {

Verdict check(const std::string& text, double bits = 80.0) {
  VerifyOptions options;
  options.bits = bits;
  const auto identities = parse_identities(text, "test");
  REQUIRE(identities.size() == 1);
  return verify(identities[0], options);
}

Outcome outcome(const std::string& text) { return check(text).outcome; }

}  // namespace

TEST_CASE("identities of roots that need the equation of a root") {
  for (const char* text : {
           "sqrt(x + y)*sqrt(x + y) = x + y ; x > 0, y > 0",
           "1/(sqrt(x^2 + 1) + 2) = (sqrt(x^2 + 1) - 2)/(x^2 - 3)",
           "cbrt(x^3*(1 + y^2)) = x*cbrt(1 + y^2)",
           "cbrt(x + y)^3/(x + y) = 1",
           "sqrt(2)*sqrt(3)*sqrt(6) = 6",
           "sqrt(1/2) = sqrt(2)/2",
           "sqrt(4*x^2 + 4) = 2*sqrt(x^2 + 1)",
           "exp(sqrt(x^2 + 1))^2 = exp(2*sqrt(1 + x^2))",
           "(1 + x^2)^(1/3)*(1 + x^2)^(2/3) = 1 + x^2",
           "log(2 + 2*x^2) = log(2) + log(1 + x^2)",
       }) {
    const Verdict verdict = check(text);
    CHECK_MESSAGE(verdict.outcome == Outcome::kEquivalent, text, ": ", verdict.reason);
    CHECK_MESSAGE(verdict.bits.value_or(0.0) >= 80.0, text);
  }
}

// Squares agree, and ranges show the signs.
TEST_CASE("a root is recognised by its square and its sign") {
  CHECK(check("sqrt(x^4) = x^2").level.find("signs") != std::string::npos);
  CHECK(outcome("sqrt(x^2 + 2*x*y + y^2) = x + y ; x > 0, y > 0") == Outcome::kEquivalent);
  CHECK(outcome("sqrt(5 + 2*sqrt(6)) = sqrt(2) + sqrt(3)") == Outcome::kEquivalent);
  CHECK(outcome("sqrt(x^4) = x^2") == Outcome::kEquivalent);
  CHECK(outcome("-sqrt(x^4) = -x^2") == Outcome::kEquivalent);
}

// A root modulo p instead of a symbol accepts these with probability 1/2 to 31/32 in each tuple.
TEST_CASE("signs of roots are not guessed") {
  for (const char* text : {
           "sqrt(x^2 + 2*x*y + y^2) = x + y",
           "sqrt(x^2 + 2*x*y + y^2) = -x - y ; x > 0, y > 0",
           "sqrt(5 + 2*sqrt(6)) = -sqrt(2) - sqrt(3)",
           "1 + sqrt(x^2 + 2*x*y + y^2)/(x + y) = 0 ; x > 0, y > 0",
           "(1 + sqrt(x^2 + 2*x*y + y^2)/(x + y))*(1 + sqrt(u^2 + 2*u*v + v^2)/(u + v)) = 0"
           " ; x > 0, y > 0, u > 0, v > 0",
           "sqrt(x^2) = x",
           "sqrt(1 + 1/x^2) = sqrt(1 + x^2)/x",
           "sqrt((x - 1)^2) = x - 1 ; x > 0",
           "cbrt(x^2) = cbrt(x)",
           "cbrt(x^3 + 1) = x + 1",
       }) {
    const Verdict verdict = check(text);
    CHECK_MESSAGE(verdict.outcome == Outcome::kDifferent, text, ": ", verdict.reason);
  }
}

// The factor x + y = (x^2 - y^2) / (x - y) has a sign that ranges do not show.
TEST_CASE("agreement up to signs is a conjecture and says so") {
  const Verdict open = check("sqrt(x^2 + 2*x*y + y^2) = (x^2 - y^2)/(x - y) ; x > 0, y > 0");
  CHECK(open.outcome == Outcome::kInconclusive);
  CHECK(open.conjectural_tuples >= 4);
  CHECK(open.reason.find("conjectural") != std::string::npos);
  CHECK(open.to_json().find("\"conjectural_tuples\"") != std::string::npos);
}

TEST_CASE("a value that is defined on one side only is not accepted") {
  CHECK(outcome("sqrt(x)^2 = x") != Outcome::kEquivalent);
  CHECK(outcome("sqrt(x*y) = sqrt(x)*sqrt(y)") != Outcome::kEquivalent);
  CHECK(outcome("log(x*y) = log(x) + log(y)") != Outcome::kEquivalent);
  // The divisor vanishes where a > b.
  CHECK(outcome("x*(max(a, b) - a)/(max(a, b) - a) = x") != Outcome::kEquivalent);
}

TEST_CASE("maxima by roots") {
  CHECK(outcome("max(a, b)*min(a, b) = a*b") == Outcome::kEquivalent);
  CHECK(outcome("relu(2*x) = 2*relu(x)") == Outcome::kEquivalent);
  CHECK(outcome("abs(x*y) = abs(x)*abs(y)") == Outcome::kEquivalent);
  CHECK(outcome("max(a, b) = (a + b)/2") == Outcome::kDifferent);
  CHECK(outcome("relu(-2*x) = -2*relu(x)") == Outcome::kDifferent);
}

TEST_CASE("ranges of values hold the values") {
  RangeAlgebra ranges;
  const Formal x = ranges.variable({0.0, 3.0});
  const Formal any = ranges.variable({-2.0, 5.0});
  const auto within = [&](const Formal& y, double low, double high) {
    return ranges.range(y).low >= low && ranges.range(y).high <= high;
  };
  CHECK(within(x * x, 0.0, 9.001));
  CHECK(within(any * any, 0.0, 25.001));
  CHECK_FALSE(within(any * x, 0.0, 100.0));
  CHECK(within(sinh(x), 0.0, 11.0));
  CHECK(within(sin(x), 0.0, 1.0));
  CHECK_FALSE(within(sin(any), 0.0, 1.0));
  CHECK(within(sqrt(x + any), 0.0, 3.0));
  CHECK(within(abs(any), 0.0, 5.0));
  CHECK_FALSE(within(any / x, -1e9, 1e9));
  const Formal zero = ranges.integer(0);
  CHECK(within(zero * any, 0.0, 0.0));
  CHECK(within(zero / any, 0.0, 0.0));
}
