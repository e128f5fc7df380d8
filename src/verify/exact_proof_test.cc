// Exact normal forms: what they prove, and what they must not.
#include "verify/exact_proof.h"

#include <doctest/doctest.h>

#include "lamina/identity.h"
#include "verify/exact_algebra.h"
#include "verify/verify_test_graphs.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

bool proved(const Graph& a, const Graph& b) {
  return equal_normal_forms(a, b, plan_inputs(a, b, {}), {});
}

// Without the fields, whose mismatch would hide an error here.
bool proved(const char* left, const char* right) {
  CAPTURE(left);
  CAPTURE(right);
  const Identity identity = parse_identity(left, right);
  return proved(to_graph(identity.left), to_graph(identity.right));
}

}  // namespace

TEST_CASE("identities of rational functions and exponentials are proved") {
  CHECK(proved("(x + y)^3", "x^3 + 3*x^2*y + 3*x*y^2 + y^3"));
  CHECK(proved("1/x + 1/y", "(x + y)/(x*y)"));
  CHECK(proved("(x^2 - y^2)/(x - y)", "x + y"));
  CHECK(proved("exp(x + y)", "exp(x)*exp(y)"));
  CHECK(proved("exp(x)/exp(y)", "exp(x - y)"));
  CHECK(proved("exp(x/(y + 1))*exp(1/(y*y - 1))", "exp((x*y - x + 1)/(y^2 - 1))"));
  CHECK(proved("sigmoid(x) + sigmoid(-x)", "1"));
  CHECK(proved("tanh(x + y)", "(tanh(x) + tanh(y))/(1 + tanh(x)*tanh(y))"));
  CHECK(proved("exp(1)*exp(2/3)", "exp(5/3)"));
  CHECK(proved("exp(x + 1)/exp(1)", "exp(x)"));
  CHECK(proved("0.1*x + 0.2*x", "0.3*x"));
}

TEST_CASE("near misses are not proved") {
  CHECK_FALSE(proved("(x + y)^3", "x^3 + 3*x^2*y + 3*x*y^2"));
  CHECK_FALSE(proved("exp(x + y)", "exp(x)*exp(y)*1.000000000001"));
  CHECK_FALSE(proved("exp(x)", "exp(x*1.000000000001)"));
  CHECK_FALSE(proved("exp(x*(1 + 1e-14))", "exp(x)"));
  CHECK_FALSE(proved("exp(1)", "2.718281828459045"));
  CHECK_FALSE(proved("exp(1)^2", "exp(2) + 1e-15"));
  CHECK_FALSE(proved("exp(x) + exp(y)", "exp(x + y)"));
  CHECK_FALSE(proved("exp(x)*0", "exp(x)"));
  CHECK_FALSE(proved("sigmoid(x)", "1/(1 + exp(x))"));
  CHECK_FALSE(proved("0.1*x + 0.2*x", "0.3000000001*x"));
  CHECK_FALSE(proved("x", "y + x - y + 1e-300*y"));
}

TEST_CASE("sines are exact through Gaussian coefficients") {
  CHECK(proved("sin(x)^2 + cos(x)^2", "1"));
  CHECK(proved("sin(x + y)", "sin(x)*cos(y) + cos(x)*sin(y)"));
  CHECK(proved("cos(3*x)", "4*cos(x)^3 - 3*cos(x)"));
  CHECK(proved("tan(2*x)", "2*tan(x)/(1 - tan(x)^2)"));
  CHECK_FALSE(proved("cos(x)^2 - sin(x)^2", "1"));
  CHECK_FALSE(proved("cos(x)^2 - sin(x)^2", "-cos(2*x)"));
  CHECK_FALSE(proved("sin(x)", "cos(x)"));
  CHECK_FALSE(proved("sin(2*x)", "sin(x)*cos(x)"));
  CHECK_FALSE(proved("sin(22/7)", "0"));
}

TEST_CASE("other functions are variables, one for each exact operand") {
  CHECK(proved("erf(2*x) + erf(-x - x)", "0"));
  CHECK(proved("sqrt((x + y)^2)*2", "sqrt(x^2 + 2*x*y + y^2) + sqrt((y + x)*(x + y))"));
  CHECK(proved("log(exp(x)*exp(y))", "x + y"));
  CHECK(proved("exp(exp(x + y))", "exp(exp(x)*exp(y))"));
  CHECK_FALSE(proved("sqrt(x^2)", "x"));
  CHECK_FALSE(proved("erf(x)", "erf(x + 1e-15)"));
  CHECK_FALSE(proved("erf(x)", "-erf(x)"));
  CHECK_FALSE(proved("cbrt(x)", "sqrt(x)"));
  CHECK_FALSE(proved("exp(exp(x))", "exp(exp(y))"));
}

TEST_CASE("branches, undefined values and what is too large are left to the fields") {
  CHECK_FALSE(proved("max(x, y)", "max(y, x)"));
  CHECK_FALSE(proved("floor(x)", "floor(x)"));
  CHECK_FALSE(proved("x/(x - x)", "x/(x - x)"));
  CHECK_FALSE(proved("1/(exp(x) - exp(x))", "1/0"));
  CHECK_FALSE(proved("(x + y + 1)^60*(x - y)^60", "(x - y)^60*(x + y + 1)^60"));
  CHECK_FALSE(proved("1e300*x", "1e300*x"));
  const Graph wide = make({{600}}, [](Builder& b, auto& x) { return b.op("exp", {x[0]}); });
  CHECK_FALSE(proved(wide, wide));
  Builder drawn;
  const Value table = drawn.in("table", {3});
  const Value index = drawn.in("index", {2}, DType::kI64);
  const Graph gather = drawn.out(drawn.op("gather", {table, index}, {{"axis", std::int64_t{0}}}));
  CHECK_FALSE(proved(gather, gather));
}

TEST_CASE("small tensors: a softmax shifted by a constant and divided by its sum") {
  const auto softmax = [](double shift) {
    return make({{2, 4}}, [shift](Builder& b, auto& x) {
      const Value e = b.op("exp", {b.op("add", {x[0], b.c(shift)})});
      return b.op("div", {e, b.sum(e, 1)});
    });
  };
  const Graph other = make({{2, 4}}, [](Builder& b, auto& x) {
    const Value e = b.op("exp", {x[0]});
    return b.op("div", {e, b.sum(e, 0)});
  });
  CHECK(proved(softmax(0.0), softmax(3.5)));
  CHECK_FALSE(proved(softmax(0.0), other));
  const Verdict verdict = verify(softmax(0.0), softmax(3.5));
  CHECK(verdict.proved);
  CHECK(verdict.outcome == Outcome::kEquivalent);
  CHECK(verdict.to_text().starts_with("equivalent, proved: "));
  CHECK(verdict.to_json().find("\"proved\": true") != std::string::npos);
  CHECK_FALSE(verify(softmax(0.0), other).proved);
}

TEST_CASE("a proof needs no bits; where there is none, too few bits stay inconclusive") {
  const auto power = [](int times) {
    return make({{1}}, [times](Builder& b, auto& x) {
      Value y = x[0];
      for (int i = 0; i < times; ++i) y = b.op("mul", {y, y});
      return y;
    });
  };
  CHECK(verify(power(14), power(14), {.bits = 400.0, .most_passes = 1}).proved);
  CHECK(verify(power(14), power(14), {.bits = 400.0, .most_passes = 1}).outcome ==
        Outcome::kEquivalent);
  CHECK(verify(power(60), power(60)).outcome == Outcome::kInconclusive);
}

TEST_CASE("fractions are numbered and compared as functions") {
  const ExactAlgebra algebra(10'000);
  const Formal x = algebra.variable();
  const Formal y = algebra.variable();
  CHECK((x / y * y).agrees(x));
  CHECK((exp(x) / exp(x)).agrees(algebra.integer(1)));
  CHECK_FALSE((x / y).agrees(y / x));
  CHECK_FALSE((x / (exp(x) - exp(x + algebra.integer(0)))).finite());
  CHECK(algebra.known_integer(algebra.constant(1.5) * algebra.integer(2)) == 3);
  CHECK_FALSE(algebra.known_integer(algebra.constant(1.5)));
  CHECK(algebra.leads(x - y) != algebra.leads(y - x));
  CHECK(algebra.leads((x * x - y * y) / (x + y)) == algebra.leads(x - y));
  const Formal i = *algebra.imaginary();
  CHECK((i * i).agrees(algebra.integer(-1)));
  CHECK_THROWS_AS(algebra.integer(INT64_MAX) * algebra.integer(INT64_MAX) * algebra.integer(8),
                  Undecided);
}
