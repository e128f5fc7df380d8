// Poison, infinities, fresh values and their symmetries: what formal values must not invent.
#include <doctest/doctest.h>

#include <array>

#include "num/residue_field.h"

using lamina::Formal;
using lamina::ResidueField;
using State = Formal::State;

namespace {

// splitmix64.
std::uint64_t next_word(void* state) {
  auto& s = *static_cast<std::uint64_t*>(state);
  s += 0x9e3779b97f4a7c15u;
  std::uint64_t z = s;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::array<lamina::PrimePair, lamina::kLanes> four_times(const lamina::PrimePair& pair) {
  std::array<lamina::PrimePair, lamina::kLanes> pairs;
  pairs.fill(pair);
  return pairs;
}

// The first p = 1 modulo 4 q, with q = 1009.
lamina::PrimePair angle_pair() {
  constexpr std::uint64_t kQ = 1009;
  lamina::PrimePair pair{.q = kQ};
  const auto prime = [](std::uint64_t n) {
    for (std::uint64_t d = 2; d * d <= n; ++d) {
      if (n % d == 0) return false;
    }
    return true;
  };
  for (pair.p = 4 * kQ + 1; !prime(pair.p);) pair.p += 4 * kQ;
  const lamina::Modulus p(pair.p), q(kQ);
  for (std::uint64_t g = 2; pair.omega <= 1; ++g) pair.omega = p.power(g, (pair.p - 1) / kQ);
  for (std::uint64_t g = 2; p.multiply(pair.root_p, pair.root_p) != pair.p - 1; ++g) {
    pair.root_p = p.power(g, (pair.p - 1) / 4);
  }
  for (std::uint64_t g = 2; q.multiply(pair.root_q, pair.root_q) != kQ - 1; ++g) {
    pair.root_q = q.power(g, (kQ - 1) / 4);
  }
  return pair;
}

struct Fixture {
  std::uint64_t seed = 17;
  ResidueField field{four_times({562950892944119, 16777259, 215671690731612}), next_word, &seed};
  Formal x = field.random();
  Formal y = field.random();
  Formal z = field.random();
  Formal zero = field.integer(0);
  Formal one = field.integer(1);
  Formal minus_infinity = field.infinity(true);
  Formal poison = field.poison();
};

bool poisoned(const Formal& x) { return x.state == State::kPoison; }

}  // namespace

TEST_CASE_FIXTURE(Fixture, "field arithmetic and literals") {
  CHECK(((x + y) * z).agrees(x * z + y * z));
  CHECK((x / y * y).agrees(x));
  CHECK((x - x).agrees(zero));
  CHECK(field.constant(0.1).agrees(one / field.integer(10)));
  CHECK(field.constant(-2.5).agrees(field.integer(-5) / field.integer(2)));
  CHECK((field.constant(0x1p-60) * field.constant(0x1p60)).agrees(one));
  CHECK_FALSE(x.agrees(y));
  // The quotient by floating point is right at the ends of the range.
  const lamina::Modulus modulus(field.pairs()[0].p);
  const std::uint64_t last = modulus.value() - 1;
  CHECK(modulus.multiply(last, last) == 1);
  CHECK(modulus.multiply(last, 2) == modulus.value() - 2);
}

TEST_CASE_FIXTURE(Fixture, "the exponential turns sums into products and ends the Q slot") {
  CHECK((exp(x) * exp(y)).agrees(exp(x + y)));
  CHECK((one / exp(x)).agrees(exp(-x)));
  CHECK_FALSE(exp(x).has_q());
  CHECK_FALSE((exp(x) + y).has_q());
  CHECK(exp(zero).agrees(one));
  CHECK(sigmoid(x).agrees(exp(x) / (one + exp(x))));
  CHECK(tanh(x).agrees(sigmoid(x + x) * field.integer(2) - one));
  CHECK(field.fresh_counts().empty());
}

TEST_CASE_FIXTURE(Fixture, "poison never becomes a value") {
  const Formal bad = one / zero;
  CHECK(poisoned(bad));
  CHECK_FALSE(bad.agrees(bad));
  for (const Formal& r : {bad + x,
                          bad - bad,
                          zero * bad,
                          bad / x,
                          x / bad,
                          -bad,
                          exp(bad),
                          log(bad),
                          sqrt(bad),
                          abs(bad),
                          sign(bad),
                          erf(bad),
                          floor(bad),
                          sigmoid(bad),
                          softplus(bad),
                          tanh(bad),
                          is_nan(bad),
                          is_inf(bad),
                          max(bad, x),
                          max(bad, field.infinity(false)),
                          max(minus_infinity, bad),
                          min(bad, minus_infinity),
                          less(bad, bad),
                          equal(bad, bad),
                          pow(bad, zero),
                          mod(bad, x),
                          select(bad, x, y),
                          select(less(x, y), bad, bad),
                          select(less(x, y), bad, y)}) {
    CHECK(poisoned(r));
  }
  // A branch that is certainly not taken does not matter.
  CHECK(select(one, x, bad).agrees(x));
}

TEST_CASE_FIXTURE(Fixture, "a division by zero mod q alone loses only the exponent slot") {
  Formal divisor = field.integer(5);
  divisor.q.fill(0);
  const Formal quotient = x / divisor;
  CHECK(quotient.finite());
  CHECK(quotient.slot == Formal::Slot::kVoid);
  CHECK(poisoned(exp(quotient)));
  CHECK((quotient * divisor).agrees(x));
  // Both computations of one value find the same fresh value.
  CHECK(erf(quotient * divisor).agrees(erf(x)));
  CHECK(max(quotient * divisor, y).agrees(max(x, y)));
}

TEST_CASE_FIXTURE(Fixture, "infinities are tags") {
  CHECK((minus_infinity + x).state == State::kMinusInfinity);
  CHECK(exp(minus_infinity).agrees(zero));
  CHECK(max(minus_infinity, x).agrees(x));
  CHECK(max(minus_infinity, minus_infinity).state == State::kMinusInfinity);
  CHECK(poisoned(minus_infinity - minus_infinity));
  CHECK(poisoned(minus_infinity * zero));
  CHECK(sigmoid(minus_infinity).agrees(zero));
  CHECK(poisoned(sqrt(minus_infinity)));
  CHECK(is_inf(minus_infinity).agrees(one));
  CHECK(less(minus_infinity, x).agrees(one));
  CHECK_FALSE(minus_infinity.agrees(field.infinity(false)));
}

TEST_CASE_FIXTURE(Fixture, "max is associative, commutative, idempotent and nothing more") {
  CHECK(max(x, max(y, z)).agrees(max(max(z, x), y)));
  CHECK(max(max(x, y), y).agrees(max(x, y)));
  CHECK(max(x, x).agrees(x));
  CHECK(min(x, min(y, z)).agrees(min(min(z, x), y)));
  CHECK(abs(x).agrees(abs(-x)));
  CHECK_FALSE(max(x, y).agrees(max(x, z)));
  CHECK_FALSE(max(x, y).agrees(x));
  CHECK_FALSE(max(x, y).agrees(min(x, y)));
  CHECK_FALSE(max(max(x, y), z).agrees(max(x, y)));
  CHECK(max(field.integer(-3), field.integer(2)).agrees(field.integer(2)));
}

TEST_CASE_FIXTURE(Fixture, "uninterpreted functions are keyed by their operands") {
  CHECK(log(x + y).agrees(log(y + x)));
  CHECK_FALSE(log(x).agrees(log(y)));
  CHECK_FALSE(log(x).agrees(sqrt(x)));
  CHECK(erf(-x).agrees(-erf(x)));
  CHECK(cos(-x).agrees(cos(x)));
  CHECK(sqrt(field.integer(49)).agrees(field.integer(7)));
  CHECK(field.fresh_counts().at("log") == 3);
  // Operands from exponentials have no Q slot, and are keyed by P.
  CHECK(log(exp(x) * exp(y)).agrees(log(exp(x + y))));
  CHECK_FALSE(exp(exp(x)).agrees(exp(exp(y))));
  CHECK_FALSE(exp(exp(x)).agrees(one));
}

TEST_CASE_FIXTURE(Fixture, "logarithms and exponentials undo each other") {
  const Formal two = field.integer(2);
  CHECK(exp(log(x)).agrees(x));
  CHECK(exp(y - two * log(x)).agrees(exp(y) / (x * x)));
  CHECK(log(exp(x)).agrees(x));
  CHECK(exp(x - log(exp(x) + exp(y))).agrees(exp(x) / (exp(x) + exp(y))));
  CHECK(pow(x, y + z).agrees(pow(x, y) * pow(x, z)));
  CHECK(pow(pow(x, y), z).agrees(pow(x, y * z)));
  CHECK_FALSE(exp(log(x)).agrees(exp(log(y))));
  CHECK_FALSE(exp(log(x) / two).agrees(x));
}

TEST_CASE("sines and cosines are exact where -1 has a root") {
  std::uint64_t seed = 3;
  const ResidueField field(four_times(angle_pair()), next_word, &seed);
  const Formal x = field.random();
  const Formal y = field.random();
  const Formal two = field.integer(2);
  CHECK((sin(x) * sin(x) + cos(x) * cos(x)).agrees(field.integer(1)));
  CHECK(sin(x + y).agrees(sin(x) * cos(y) + cos(x) * sin(y)));
  CHECK(cos(two * x).agrees(field.integer(1) - two * sin(x) * sin(x)));
  CHECK(sin(-x).agrees(-sin(x)));
  CHECK_FALSE(sin(two * x).agrees(two * sin(x)));
}

TEST_CASE_FIXTURE(Fixture, "comparisons and selections") {
  const Formal c = less(x, y);
  CHECK(select(c, x + z, y + z).agrees(select(c, x, y) + z));
  CHECK(select(c, x, x).agrees(x));
  CHECK_FALSE(select(c, x, y).agrees(select(c, y, x)));
  CHECK_FALSE(less(x, y).agrees(less(y, x)));
  CHECK(equal(x, y).agrees(equal(y, x)));
  CHECK(less(field.integer(-1), field.integer(0)).agrees(one));
  CHECK(equal(one - c, zero).agrees(c));
  // A real that is not a comparison does not act as 0 or 1.
  CHECK_FALSE(select(x, y, z).agrees(x * y + (one - x) * z));
  CHECK(select(x, y, z).agrees(select(equal(x, zero), z, y)));
}

TEST_CASE_FIXTURE(Fixture, "powers") {
  CHECK(pow(x, field.integer(3)).agrees(x * x * x));
  CHECK(pow(x, field.integer(-2)).agrees(one / (x * x)));
  CHECK(pow(x, field.constant(0.5)).agrees(sqrt(x)));
  CHECK(pow(x, field.constant(-0.5)).agrees(one / sqrt(x)));
  CHECK_FALSE(pow(x, y).agrees(pow(y, x)));
  CHECK_FALSE(field.known_integer(x));
  CHECK(field.known_integer(field.integer(-12345)) == -12345);
  CHECK_FALSE(field.known_integer(field.constant(0.5)));
}
