// Exponentials inside exponents: what is proved, and what must not be.
#include "verify/tower_level.h"

#include <doctest/doctest.h>

#include <string>

#include "lamina/identity.h"
#include "num/tower_field.h"

using namespace lamina;

namespace {

Verdict check(const std::string& text) {
  const auto identities = parse_identities(text, "test");
  REQUIRE(identities.size() == 1);
  return verify(identities[0]);
}

// Both sides over one TowerField: what the level itself says, without real points.
bool agrees_in_fields(const std::string& text) {
  const auto identities = parse_identities(text, "test");
  REQUIRE(identities.size() == 1);
  const Identity& identity = identities[0];
  const Graph left = to_graph(identity.left);
  const Graph right = to_graph(identity.right);
  const PrimeProfile profile = prime_profile(false);
  const std::vector<InputPlan> plans = plan_inputs(left, right, {});
  VerifyOptions options;
  options.bits = 0.0;
  return compare_towers(left, right, {plans, {}, profile, options}).has_value();
}

}  // namespace

TEST_CASE("identities of nested exponentials") {
  for (const char* text : {
           "exp(exp(x) + exp(y)) = exp(exp(x))*exp(exp(y))",
           "exp(exp(exp(x) + y)) = exp(exp(exp(x))*exp(y))",
           "exp((x + exp(x))^2) = exp(x^2)*exp(2*x*exp(x))*exp(exp(2*x))",
           "exp(exp(x)/exp(y)) = exp(exp(x - y))",
           "exp(x*exp(exp(y))) = exp(x*exp(exp(y))/2)^2",
           "tanh(exp(x)) = (exp(2*exp(x)) - 1)/(exp(2*exp(x)) + 1)",
           "sin(exp(x) + exp(y)) = sin(exp(x))*cos(exp(y)) + cos(exp(x))*sin(exp(y))",
       }) {
    const Verdict verdict = check(text);
    CHECK_MESSAGE(verdict.outcome == Outcome::kEquivalent, text, ": ", verdict.reason);
    CHECK_MESSAGE(verdict.bits.value_or(0.0) >= 80.0, text);
  }
}

TEST_CASE("false identities of nested exponentials differ in the fields") {
  for (const char* text : {
           "exp(exp(x)) = exp(x)",
           "exp(exp(x) + exp(y)) = exp(exp(x + y))",
           "exp(2*exp(x)) = exp(exp(x))",
           "exp(exp(2*x)) = exp(exp(x))^2",
           "exp(exp(x) - exp(y)) = 1",
           "exp(exp(exp(x))) = exp(exp(2*exp(x)))",
           "exp(x*exp(x)) = exp(exp(x))^2",
           "exp(exp(x) + 1) = exp(exp(x)) + exp(1)",
       }) {
    CHECK_FALSE_MESSAGE(agrees_in_fields(text), text);
    CHECK_MESSAGE(check(text).outcome == Outcome::kDifferent, text);
  }
  CHECK(agrees_in_fields("exp(exp(2*x)) = exp(exp(x)^2)"));
}

TEST_CASE("a quotient by a sum of exponentials is no exponent") {
  const Verdict open = check("exp(exp(x)/(1 + exp(y)))^2 = exp(2*exp(x)/(1 + exp(y)))");
  CHECK(open.outcome == Outcome::kInconclusive);
}

TEST_CASE("the report says that exponents were sums of symbols") {
  const Verdict verdict = check("exp(2*exp(x)) = exp(exp(x))^2");
  CHECK(verdict.level.find("exponents") != std::string::npos);
  CHECK(verdict.tuples.size() == 4u * static_cast<std::size_t>(verdict.passes));
  CHECK(verdict.digests.empty());
}
