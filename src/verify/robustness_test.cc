// Inputs that are meant to break the identity tester: nothing crashes, hangs or is accepted
// wrongly.
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "lamina/identity.h"
#include "num/residue_field.h"
#include "verify/secret_random.h"
#include "verify/small_primes.h"
#include "verify/verify_test_graphs.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

Outcome outcome_of(const Graph& a, const Graph& b) {
  const Verdict verdict = verify(a, b);
  INFO(verdict.to_text());
  CHECK_FALSE(verdict.to_json().empty());
  return verdict.outcome;
}

// One input x of that type, and the statement that makes y.
Graph text_graph(const std::string& type, const std::string& body) {
  return parse_graph("lamina 1\ngraph g(x: " + type + ") {\n  y = " + body + "\n  return y\n}\n");
}

Outcome outcome_of(const std::string& type, const std::string& a, const std::string& b) {
  CAPTURE(type);
  CAPTURE(a);
  CAPTURE(b);
  return outcome_of(text_graph(type, a), text_graph(type, b));
}

Outcome outcome_of(const std::string& left, const std::string& right) {
  CAPTURE(left);
  CAPTURE(right);
  return verify(parse_identity(left, right)).outcome;
}

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

// A text of `count` nodes, each made of the one before.
Graph chain(int count, const std::string& op, const std::string& rest) {
  std::string body;
  std::string last = "x";
  for (int i = 0; i < count; ++i) {
    std::string name = "a" + std::to_string(i);
    body += "  " + name + " = " + op + "(" + last + rest + ")\n";
    last = std::move(name);
  }
  return parse_graph("lamina 1\ngraph g(x: f32[1]) {\n" + body + "  return y=" + last + "\n}\n");
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void check_chains(int count) {
  const auto start = std::chrono::steady_clock::now();
  const Graph sum = chain(count, "add", ", x");
  CHECK(outcome_of(sum, text_graph("f32[1]", "mul(x, " + std::to_string(count + 1) + ")")) ==
        Outcome::kEquivalent);
  CHECK(outcome_of(sum, text_graph("f32[1]", "mul(x, " + std::to_string(count + 2) + ")")) ==
        Outcome::kDifferent);
  CHECK(seconds_since(start) < 600.0);  // a quadratic step would take hours
}

// A field of the smallest primes, in all lanes.
class SmallField {
 public:
  SmallField() {
    const SmallPrimes primes(1 << 7, 11);
    std::optional<PrimePair> pair;
    while (!pair) pair = primes.draw(random_);
    pairs_.fill(*pair);
    field_ = std::make_unique<ResidueField>(
        pairs_, [](void* state) { return static_cast<SecretRandom*>(state)->word(); }, &random_);
  }
  const ResidueField& field() const { return *field_; }
  std::int64_t p() const { return static_cast<std::int64_t>(pairs_[0].p); }
  std::int64_t q() const { return static_cast<std::int64_t>(pairs_[0].q); }

 private:
  SecretRandom random_{SecretRandom::system_seed()};
  std::array<PrimePair, kLanes> pairs_;
  std::unique_ptr<ResidueField> field_;
};

}  // namespace

TEST_CASE("empty axes: sums are 0, means undefined, nothing else is there to differ") {
  CHECK(outcome_of("f32[0, 3]", "sum(x, axes=[0])", "mul(sum(x, axes=[0]), 2)") ==
        Outcome::kEquivalent);
  CHECK(outcome_of("f32[0, 3]", "sum(x, axes=[0])", "add(sum(x, axes=[0]), 1)") ==
        Outcome::kDifferent);
  CHECK(outcome_of("f32[0, 3]", "reduce_prod(x, axes=[0])", "sum(x, axes=[0])") ==
        Outcome::kDifferent);
  CHECK(outcome_of("f32[0, 3]", "mean(x, axes=[0])", "mean(x, axes=[0])") ==
        Outcome::kInconclusive);
  CHECK(outcome_of("f32[3, 0]", "softmax(x, axis=1)", "exp(x)") == Outcome::kEquivalent);
  CHECK(outcome_of("f32[0]", "exp(x)", "neg(x)") == Outcome::kEquivalent);
  CHECK(outcome_of("f32[0, 3]", "reduce_max(x, axes=[0])", "sum(x, axes=[0])") !=
        Outcome::kEquivalent);
}

TEST_CASE("zeros: what divides by them is equal to nothing") {
  CHECK(outcome_of("f32[3]", "mul(x, 0)", "sub(x, x)") == Outcome::kEquivalent);
  CHECK(outcome_of("f32[3]", "mul(x, 5e-324)", "mul(x, 0)") == Outcome::kDifferent);
  for (const char* undefined :
       {"div(mul(x, 0), mul(x, 0))", "div(x, sub(x, x))", "mul(div(1, mul(x, 0)), 0)",
        "sqrt(sub(0, 1)) + x", "log(sub(0, 1)) + x", "add(x, nan)", "mul(x, inf)",
        "sub(add(x, inf), inf)"}) {
    const Outcome outcome = outcome_of("f32[3]", undefined, undefined);
    CHECK(outcome == Outcome::kInconclusive);
  }
}

TEST_CASE("infinite literals") {
  CHECK(outcome_of("f32[3]", "min(x, inf)", "x") == Outcome::kEquivalent);
  CHECK(outcome_of("f32[3]", "max(x, inf)", "x") != Outcome::kEquivalent);
  CHECK(outcome_of("f32[3]", "add(x, inf)", "sub(x, inf)") != Outcome::kEquivalent);
  CHECK(outcome_of("f32[3]", "exp(sub(x, inf))", "mul(x, 0)") == Outcome::kEquivalent);
}

TEST_CASE("constants that vanish modulo p, and sizes that are multiples of q, are no zeros") {
  const SmallField small;
  const ResidueField& field = small.field();
  const Formal x = field.random();
  const Formal vanishing = field.constant(static_cast<double>(small.p() * 6));
  CHECK_FALSE((x / vanishing).finite());
  CHECK_FALSE((vanishing / vanishing).finite());
  CHECK_FALSE((x / vanishing * vanishing).agrees(x));
  // The mean of q exponents: its slot is void, and an exponential of it agrees with nothing.
  const Formal mean = x / field.integer(small.q());
  CHECK(mean.finite());
  CHECK_FALSE(exp(mean).finite());
  CHECK_FALSE(exp(mean).agrees(exp(mean)));
  // Modulo q the sum of q ones is 0, modulo p it is not.
  Formal sum = field.integer(0);
  for (std::int64_t i = 0; i < small.q(); ++i) sum = sum + field.integer(1);
  CHECK_FALSE(sum.agrees(field.integer(0)));
  CHECK(sum.agrees(field.integer(small.q())));
}

TEST_CASE("repeated and exchanged inputs") {
  const std::vector<Dims> two(2, Dims{3});
  const auto sub = [](int i, int k) {
    return [i, k](Builder& b, auto& x) {
      return b.op("sub", {x[static_cast<std::size_t>(i)], x[static_cast<std::size_t>(k)]});
    };
  };
  CHECK(outcome_of(make(two, sub(0, 0)), make(two, sub(1, 1))) == Outcome::kEquivalent);
  CHECK(outcome_of(make(two, sub(0, 1)), make(two, sub(1, 0))) == Outcome::kDifferent);
  CHECK(outcome_of(make(two, sub(0, 0)), make(two, sub(0, 1))) == Outcome::kDifferent);
}

TEST_CASE("integers at the ends of their range neither trap nor are taken for others") {
  const std::string low = "sub(mul(x, 0), 9223372036854775808)";
  for (const std::string& body :
       {"div(" + low + ", -1)", "mod(" + low + ", -1)", "abs(" + low + ")", "neg(" + low + ")",
        std::string("div(x, 0)"), std::string("mod(x, 0)"), std::string("pow(x, 100)"),
        std::string("pow(x, -1)"), std::string("mul(mul(x, 4611686018427387904), 4)")}) {
    CHECK(outcome_of("i64[3]", body, body) == Outcome::kEquivalent);
  }
  CHECK(outcome_of("i64[8]", "mul(x, 4611686018427387904)", "mul(x, 4611686018427388928)") ==
        Outcome::kDifferent);
  // Not silently the double 2^62.
  CHECK_THROWS_AS(text_graph("i64[8]", "mul(x, 4611686018427387905)"), Error);
  CHECK(outcome_of("f32[2]", "mul(x, 4611686018427387905)", "mul(x, 4611686018427387904)") ==
        Outcome::kEquivalent);
  CHECK(outcome_of("i8[8]", "mul(x, 100)", "mul(x, 101)") == Outcome::kDifferent);
}

TEST_CASE("huge exponents and constants") {
  CHECK(outcome_of("x^2147483648", "x^2147483649") != Outcome::kEquivalent);
  CHECK(outcome_of("x^(-2147483648)", "1/x^2147483648") != Outcome::kDifferent);
  CHECK(outcome_of("x^1e300", "x^1e299") != Outcome::kEquivalent);
  CHECK(outcome_of("exp(1e308)*x", "exp(1e307)*x") != Outcome::kEquivalent);
  CHECK(outcome_of("exp(x*1e300)", "exp(x*1e299)") != Outcome::kEquivalent);
  CHECK(outcome_of("sin(1e300*x)", "sin(1e299*x)") != Outcome::kEquivalent);
  CHECK(outcome_of("exp(1000)*exp(-1000)", "1") == Outcome::kEquivalent);
  CHECK(outcome_of("1e400*x", "1e399*x") != Outcome::kEquivalent);
  CHECK(outcome_of("f32[3]", "mul(x, 562949953421312)", "mul(x, 562949953421313)") ==
        Outcome::kDifferent);
}

TEST_CASE("deep nesting of texts is refused, not followed") {
  constexpr int kDeep = 100'000;
  const std::string open = repeated("(", kDeep) + "x" + repeated(")", kDeep);
  const std::string signs = repeated("-", kDeep) + "x";
  const std::string calls = repeated("exp(", kDeep) + "x" + repeated(")", kDeep);
  const std::string powers = repeated("x^", 30'000) + "x";
  for (const std::string& text : {open, signs, calls, powers, repeated("(", kDeep)}) {
    CHECK_THROWS_AS(parse_expression(text), Error);
    CHECK_THROWS_AS(parse_identities(text + " = x", "text"), Error);
    CHECK_THROWS_AS(text_graph("f32[2]", text), Error);
  }
  const std::string core = "(FPCore (x) " + repeated("(exp ", kDeep) + "x" + repeated(")", kDeep);
  CHECK_THROWS_AS(parse_identities(core + ")", "text"), Error);
  CHECK_THROWS_AS(text_graph("f32[" + repeated("(", kDeep) + "2" + repeated(")", kDeep) + "]", "x"),
                  Error);
  const std::string blocks =
      repeated("block(x, grid=[1]) {\n y = ", 5000) + "x" + repeated("\n return y }\n", 5000);
  CHECK_THROWS_AS(text_graph("f32[2]", blocks), Error);
  CHECK_THROWS_AS(outcome_of("f32[9223372036854775807, 9223372036854775807]", "x", "x"), Error);
}

TEST_CASE("tensors of many axes take no longer than their elements") {
  const auto start = std::chrono::steady_clock::now();
  const std::string type = "f32[" + repeated("2, ", 15) + "2]";
  CHECK(outcome_of(type, "exp(x)", "exp(x)") == Outcome::kEquivalent);
  CHECK(outcome_of(type, "exp(x)", "neg(x)") == Outcome::kDifferent);
  CHECK(seconds_since(start) < 60.0);
}

TEST_CASE("long chains of nodes") { check_chains(50'000); }

TEST_CASE("long products, quotients and nested exponentials end") {
  for (const auto& [op, rest] : {std::pair("mul", ", x"), std::pair("exp", ""),
                                 std::pair("max", ", x"), std::pair("rsqrt", "")}) {
    const Graph graph = chain(3000, op, rest);
    CHECK(outcome_of(graph, graph) != Outcome::kDifferent);
    CHECK(outcome_of(graph, text_graph("f32[1]", "neg(x)")) != Outcome::kEquivalent);
  }
}

TEST_SUITE("slow") {
  TEST_CASE("a million nodes") { check_chains(1'000'000); }
}
