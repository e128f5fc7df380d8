// Identities: FPCore, files, conditions, and what becomes of facts.
#include "lamina/identity.h"

#include <doctest/doctest.h>

#include <limits>

#include "graph/real_domain.h"
#include "lamina/error.h"
#include "verify/evaluate_expression.h"
#include "verify/inputs.h"
#include "verify/secret_random.h"

using namespace lamina;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double evaluate(const Expression& expression, const std::vector<double>& inputs) {
  RealDomain domain;
  std::vector<double> values;
  evaluate_nodes(expression, domain, std::span<const double>(inputs), values);
  return values.back();
}

// The value of the body of an FPCore with these arguments.
double core(const std::string& body, const std::vector<double>& inputs) {
  return evaluate(parse_identity("(FPCore (x y z) " + body + ")", "x").left, inputs);
}

std::string complaint(std::string_view left, std::string_view right) {
  try {
    parse_identity(left, right);
  } catch (const Error& error) {
    return error.what();
  }
  return "fine";
}

}  // namespace

TEST_CASE("the values of FPCores") {
  CHECK(core("(+ x (* y z))", {1, 2, 3}) == 7);
  CHECK(core("(+ x y z 1/2)", {1, 2, 3}) == 6.5);
  CHECK(core("(- x)", {1, 2, 3}) == -1);
  CHECK(core("(/ (- x y) -2.5e-1)", {1, 2, 3}) == 4);
  CHECK(core("(if (< x y z) x (fabs (- y)))", {1, 2, 3}) == 1);
  CHECK(core("(if (< x y z) x (fabs (- y)))", {4, 2, 3}) == 2);
  CHECK(core("(if (and (> x 0) (not (== y 0)) TRUE) x y)", {1, 2, 3}) == 1);
  CHECK(core("(let ([x y] [y x]) (- x y))", {1, 2, 3}) == 1);
  CHECK(core("(let* ([x y] [y x]) (- x y))", {1, 2, 3}) == 0);
  CHECK(core("(! :precision binary32 (sqrt (cast (* x 9))))", {1, 2, 3}) == 3);
  CHECK(core(":name \"n\" :pre (< 0 x 1) ; comment )\n (hypot z 4)", {1, 2, 3}) == 5);
  CHECK(core("(* 2 PI_2)", {1, 2, 3}) == doctest::Approx(3.14159265));
}

TEST_CASE("errors of FPCores have positions") {
  CHECK(complaint("(FPCore (x) (+ x w))", "x") ==
        "first expression:1:18: 'w' is neither an argument nor a constant");
  CHECK(complaint("x", "(FPCore (x)\n (tgamma x))") ==
        "second expression:2:2: no function is called 'tgamma'");
  CHECK(complaint("(FPCore (x) (while (< x 1) ([i 0 (+ i 1)]) i))", "x").find("'while'") !=
        std::string::npos);
  CHECK(complaint("(FPCore ((A n)) x)", "x").find("must be scalars") != std::string::npos);
  CHECK(complaint("(FPCore (x) x", "x").find("1:1: the bracket is not closed") !=
        std::string::npos);
  CHECK(complaint("(FPCore (x) x))", "x").find("closes nothing") != std::string::npos);
  CHECK(complaint("(FPCore (x) :name \"x)", "x").find("quote is not closed") != std::string::npos);
  CHECK(complaint("(FPCore (x))", "x").find("one body") != std::string::npos);
  CHECK(complaint("(FPCore (x) (exp x x))", "x").find("1:13: exp: expected") != std::string::npos);
  CHECK(complaint("(FPCore (x) ())", "x").find("expected an operator") != std::string::npos);
  CHECK(complaint("(FPCore (x) :pre (< x y) x)", "x").find("neither an argument") !=
        std::string::npos);
  CHECK(complaint("(FPCore (x) :pre (+ x 1) x)", "x").find("1:18: expected a truth value") !=
        std::string::npos);
  std::string deep = "(FPCore (x) ";
  for (int i = 0; i < 100000; ++i) deep += "(sin ";
  CHECK(complaint(deep, "x").find("levels of nesting") != std::string::npos);
}

TEST_CASE("both sides have the same inputs, in the order of their first use") {
  const Identity identity = parse_identity("y + x", "(FPCore (z x y) (- z (* x y)))");
  CHECK(identity.left.inputs == std::vector<std::string>{"y", "x", "z"});
  CHECK(identity.right.inputs == identity.left.inputs);
  CHECK(evaluate(identity.left, {2, 3, 10}) == 5);
  CHECK(evaluate(identity.right, {2, 3, 10}) == 4);
}

TEST_CASE("a file of lines") {
  const auto list = parse_identities(
      "# comment\n"
      "[first]\n"
      "x = x\r\n"
      "\n"
      "[ second one ]\n"
      "  sqrt(x)^2 = x ; x > 0, -1 <= y < 1/2, pi > z\n"
      "frob(x) = 1\n"
      "x = y ; x < z, abs(y) < 1",
      "file");
  REQUIRE(list.size() == 4);
  CHECK(list[0].group == "first");
  CHECK(list[0].name == "line 3");
  CHECK(list[0].text == "x = x");
  CHECK(list[0].facts.empty());
  CHECK(list[1].group == "second one");
  CHECK(list[1].facts.at("x") == InputFacts{0, kInfinity});
  CHECK(list[1].facts.at("y") == InputFacts{-1, 0.5});
  CHECK(list[1].facts.at("z").high == doctest::Approx(3.14159265));
  CHECK(list[2].unsupported == "file:7:1: no function is called 'frob'");
  CHECK(list[2].left.nodes.empty());
  CHECK(list[3].facts.empty());
  CHECK(list[3].conditions.size() == 2);
  CHECK(list[3].conditions[0].inputs == std::vector<std::string>{"x", "y", "z"});
  CHECK_THROWS_WITH_AS(parse_identities("x = x\n y == x\n", "file"),
                       "file:2:8: expected '=', got the end", Error);
  CHECK_THROWS_WITH_AS(parse_identities("x = x ; 1 < x < 0", "file"),
                       "the conditions leave no interval for 'x'", Error);
  CHECK_THROWS_WITH_AS(parse_identities("x = x ; x > 0, x + 1", "file"),
                       "file:1:16: a condition must be true or false, such as x > 0", Error);
}

TEST_CASE("a file of FPCores") {
  const auto list = parse_identities(
      "; comment\n"
      "(FPCore half (x) :name \"other\" :pre (<= 0 x 2) :alt (* x 1/2)\n"
      "  :alt (! :herbie-platform default (/ x 2)) (* x 0.5))\n"
      "(FPCore (x) :name \"gamma\" (tgamma x))\n"
      "(FPCore (x) x)\n",
      "file");
  REQUIRE(list.size() == 4);
  CHECK(list[0].name == "half");
  CHECK(list[1].facts.at("x") == InputFacts{0, 2});
  CHECK(list[2].name == "gamma");
  CHECK(list[2].unsupported == "file:4:27: no function is called 'tgamma'");
  CHECK(list[3].name == "FPCore 3");
  CHECK(list[3].unsupported == "it has no :alt to compare with");
  CHECK(verify(list[0]).outcome == Outcome::kEquivalent);
  CHECK(verify(list[2]).outcome == Outcome::kUnsupported);
  const auto pair = parse_identities("(FPCore (x y) (- x y)) (FPCore (y x) (- x y))", "file");
  REQUIRE(pair.size() == 1);
  CHECK(verify(pair[0]).outcome == Outcome::kEquivalent);
}

TEST_CASE("verdicts of identities") {
  const auto outcome = [](std::string_view line) {
    return verify(parse_identities(line, "text").at(0)).outcome;
  };
  CHECK(outcome("exp(x + y) = exp(x)*exp(y)") == Outcome::kEquivalent);
  CHECK(outcome("exp(x*y) = exp(x)*exp(y)") == Outcome::kDifferent);
  CHECK(outcome("x/0.1 = 10*x") == Outcome::kEquivalent);
  CHECK(outcome("(a < b)*2 = (b > a) + (a < b)") == Outcome::kEquivalent);
  CHECK(outcome("x = x + 0*y") == Outcome::kEquivalent);
  CHECK(outcome("x/(x - x) = 1") == Outcome::kInconclusive);
}

TEST_CASE("witnesses lie inside the facts") {
  Identity identity = parse_identity("abs(x) + y", "2*x - y");
  assume(identity, "x", {.low = 2.5});
  assume(identity, "x", {.high = 2.75});
  assume(identity, "y", {.high = -100.0});
  const Verdict verdict = verify(identity);
  REQUIRE(verdict.witness);
  const double x = verdict.witness->inputs.at(0).to_doubles().at(0);
  CHECK(x > 2.5);
  CHECK(x < 2.75);
  CHECK(verdict.witness->inputs.at(1).to_doubles().at(0) < -100.0);
  CHECK_THROWS_AS(assume(identity, "w", {}), Error);
  CHECK_THROWS_AS(assume(identity, "x", {.low = 3.0}), Error);
}

TEST_CASE("a point that violates a condition is no witness") {
  const auto outcome = [](std::string_view line) {
    return verify(parse_identities(line, "text").at(0)).outcome;
  };
  CHECK(outcome("max(x, y) = y") == Outcome::kDifferent);
  CHECK(outcome("max(x, y) = y ; x < y") == Outcome::kInconclusive);
  CHECK(outcome("max(x, y) = y ; x + 1 > y") == Outcome::kDifferent);
  CHECK(outcome("abs(x + y) = -x - y ; x + y > 0") == Outcome::kDifferent);
  CHECK(verify(parse_identity("(FPCore (x y) :pre (< x y) (fmin x y))", "x")).outcome ==
        Outcome::kInconclusive);
}

TEST_CASE("real points of every distribution lie inside any range") {
  SecretRandom random(SecretRandom::Seed{});
  constexpr double kHuge = 1.7e308;
  for (const auto& [low, high] :
       {std::pair(0.0, kInfinity), std::pair(-kInfinity, -7.0), std::pair(2.0, 2.0001),
        std::pair(-kHuge, kHuge), std::pair(1e300, kHuge), std::pair(-kInfinity, kInfinity)}) {
    InputPlan plan;
    plan.type = {DType::kF64, {64}, {}};
    plan.shape = {64};
    plan.facts = {low, high};
    for (int distribution = 0; distribution < 5; ++distribution) {
      const auto arrays = draw_reals({plan}, distribution, random);
      for (const Interval& x : arrays.at(0).real) {
        CHECK(x.low == x.high);
        CHECK(x.low > low);
        CHECK(x.low < high);
      }
    }
  }
}
