// Batches of identities: what is settled quickly, and what is left to the check of graphs.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "graph/op_def.h"
#include "lamina/error.h"
#include "lamina/identity.h"

using namespace lamina;

namespace {

BatchVerdict check_line(const std::string& line, const VerifyOptions& options = {}) {
  const std::vector<Identity> identities = parse_identities(line, "test");
  return verify_identities(identities, options).at(0);
}

bool quickly_accepted(const BatchVerdict& verdict) {
  return verdict.outcome == Outcome::kEquivalent && verdict.whole == nullptr;
}

}  // namespace

TEST_CASE("a batch settles true identities without graphs, and proves the bits asked for") {
  for (const char* line :
       {"(a + b)*c = a*c + b*c", "exp(a + b) = exp(a)*exp(b)", "sin(x)^2 + cos(x)^2 = 1",
        "max(a, b) = max(b, a)", "sqrt(x)^2 = x ; x > 0", "tanh(x) = sinh(x)/cosh(x)",
        "log(x*y) = log(x) + log(y) ; x > 0, y > 0"}) {
    const BatchVerdict verdict = check_line(line);
    CHECK_MESSAGE(quickly_accepted(verdict), line);
    CHECK_MESSAGE(verdict.bits.value_or(0.0) >= 80.0, line);
  }
}

TEST_CASE("more bits take more passes; none are printed where none are asked for") {
  const BatchVerdict few = check_line("a*b = b*a", {.bits = 40.0});
  const BatchVerdict many = check_line("a*b = b*a", {.bits = 300.0});
  CHECK(few.passes == 1);
  CHECK(many.passes > 1);
  CHECK(many.bits.value_or(0.0) >= 300.0);
  const BatchVerdict unproved = check_line("a*b = b*a", {.bits = 0.0});
  CHECK(quickly_accepted(unproved));
  CHECK(!unproved.bits);
  CHECK(check_line("a*b = b + a", {.bits = 0.0}).outcome == Outcome::kDifferent);
}

TEST_CASE("a polynomial has one exponent, however many terms are multiplied out") {
  CHECK(quickly_accepted(check_line("(a + b + c + d)^16 = ((a + b + c + d)^4)^4")));
}

TEST_CASE("a maximum of equal exponentials is bounded, an exponential of it is not") {
  CHECK(quickly_accepted(check_line("max(exp(x), exp(x + y - y)) = exp(x)")));
  CHECK(quickly_accepted(check_line("max(x, x + y - y)*exp(max(x, x + y - y)) = x*exp(x)")));
  const BatchVerdict open = check_line("exp(max(exp(x), exp(x + y - y))) = exp(exp(x))");
  CHECK(open.outcome == Outcome::kInconclusive);
  CHECK(open.bits.value_or(0.0) == 0.0);
}

TEST_CASE("what differs comes with the verdict of a whole check") {
  const BatchVerdict verdict = check_line("(a + b)^2 = a^2 + b^2");
  CHECK(verdict.outcome == Outcome::kDifferent);
  REQUIRE(verdict.whole != nullptr);
  CHECK(verdict.whole->witness.has_value());
}

TEST_CASE("facts of the options hold for all identities of a batch") {
  const std::string line = "sqrt(x^2) = x";
  CHECK(check_line(line).outcome != Outcome::kEquivalent);
  VerifyOptions options;
  options.facts["x"].low = 0.0;
  CHECK(quickly_accepted(check_line(line, options)));
  CHECK(check_line("sqrt(y^2) = y", options).outcome != Outcome::kEquivalent);
}

TEST_CASE("one identity does not remember another") {
  const std::vector<Identity> identities = parse_identities(
      "max(a, b) = max(b, a)\nmax(a, b) = a\nmax(a, b) = b\nlog(a) = log(b)\nerf(a) = erf(b)\n",
      "test");
  const auto verdicts = verify_identities(identities);
  CHECK(quickly_accepted(verdicts[0]));
  for (std::size_t i = 1; i < verdicts.size(); ++i) {
    CHECK(verdicts[i].outcome != Outcome::kEquivalent);
  }
}

TEST_CASE("a branch on which one side alone is defined is not accepted") {
  const std::string line = "x*(max(a, b) - a)/(max(a, b) - a) = x";
  CHECK(check_line(line).outcome == Outcome::kInconclusive);
  CHECK(quickly_accepted(check_line(line + " ; b > a")));
  VerifyOptions options;
  options.claims = [](const std::vector<Tensor>& point) {  // of x, a and b
    return point[1].to_doubles()[0] < point[2].to_doubles()[0];
  };
  CHECK(quickly_accepted(check_line(line, options)));
}

TEST_CASE("undefined sides agree with nothing in a batch") {
  CHECK(check_line("x/(x - x) = x/(x - x)").outcome == Outcome::kInconclusive);
}

TEST_CASE("an identity beyond Lamina is unsupported, and the rest of the batch is checked") {
  Identity beyond;
  beyond.unsupported = "no gamma function";
  const std::vector<Identity> identities = {beyond, parse_identity("a + b", "b + a")};
  const auto verdicts = verify_identities(identities);
  CHECK(verdicts[0].outcome == Outcome::kUnsupported);
  CHECK(quickly_accepted(verdicts[1]));
}

TEST_CASE("malformed expressions are an error, not a crash") {
  Identity identity = parse_identity("a*b", "b*a");
  SUBCASE("an operand that does not exist") { identity.left.nodes.back().operands[0] = 17; }
  SUBCASE("an operand that comes later") { identity.left.nodes.back().operands[0] = 2; }
  SUBCASE("too few operands") { identity.left.nodes.back().operands[1] = -1; }
  SUBCASE("an input that does not exist") { identity.right.nodes.front().input = 9; }
  SUBCASE("nothing") { identity.right.nodes.clear(); }
  SUBCASE("other inputs on one side") { identity.right.inputs.pop_back(); }
  CHECK_THROWS(verify_identities({&identity, 1}));
}
