// Poison, infinities, fresh values and their symmetries: what residues must not invent.
#include <doctest/doctest.h>

#include <array>

#include "num/residue.h"

using lamina::Residue;
using lamina::ResidueField;
using State = Residue::State;

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

struct Fixture {
  std::uint64_t seed = 17;
  ResidueField field{562950892944119, 16777259, 215671690731612, next_word, &seed};
  Residue x = field.random();
  Residue y = field.random();
  Residue z = field.random();
  Residue zero = field.integer(0);
  Residue one = field.integer(1);
  Residue minus_infinity = field.infinity(true);
  Residue poison = field.poison();
};

bool poisoned(const Residue& x) { return x.state == State::kPoison; }

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
  const std::uint64_t last = field.p() - 1;
  CHECK(field.mul_p(last, last) == 1);
  CHECK(field.mul_p(last, 2) == field.p() - 2);
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
  const Residue bad = one / zero;
  CHECK(poisoned(bad));
  CHECK_FALSE(bad.agrees(bad));
  for (const Residue& r : {bad + x,
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
  const Residue divisor = field.finite(5, 0, Residue::Slot::kKnown);
  const Residue quotient = x / divisor;
  CHECK(quotient.finite());
  CHECK(quotient.slot == Residue::Slot::kVoid);
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

TEST_CASE_FIXTURE(Fixture, "comparisons and selections") {
  const Residue c = less(x, y);
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
