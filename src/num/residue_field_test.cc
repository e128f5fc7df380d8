// Identities that residues must keep, and values that they must not invent.
#include "num/residue_field.h"

#include <doctest/doctest.h>

#include <array>
#include <random>

using namespace lamina;

namespace {

std::uint64_t draw(void* state) { return (*static_cast<std::mt19937_64*>(state))(); }

// q = 1009 and p = 10 q + 1 = 10091 are prime, and omega = 2^10 mod p has the order q.
std::array<PrimePair, kLanes> four_times(const PrimePair& pair) {
  std::array<PrimePair, kLanes> pairs;
  pairs.fill(pair);
  return pairs;
}

// q = 1009 and p = 10 q + 1 = 10091 are prime, and omega = 2^10 mod p has the order q.
struct Field {
  std::mt19937_64 random{7};
  ResidueField field{four_times({10091, 1009, 1024}), draw, &random};
};

bool same(const Formal& a, const Formal& b) { return a.agrees(b); }

}  // namespace

TEST_CASE("field identities hold for random residues") {
  Field f;
  for (int i = 0; i < 50; ++i) {
    const Formal a = f.field.random();
    const Formal b = f.field.random();
    const Formal c = f.field.random();
    CHECK(same(a * (b + c), a * b + a * c));
    CHECK(same((a - b) * (a + b), a * a - b * b));
    if (b.p[0] != 0 && b.p[1] != 0 && b.p[2] != 0 && b.p[3] != 0) CHECK(same(a / b * b, a));
    CHECK(same(exp(a + b), exp(a) * exp(b)));
    CHECK(same(exp(-a) * exp(a), f.field.integer(1)));
    CHECK(same(exp(like(a, 0.0)), f.field.integer(1)));
    CHECK(same(pow(a, f.field.integer(3)), a * a * a));
  }
}

TEST_CASE("sigmoid, tanh and their kin agree through the exponential") {
  Field f;
  const Formal x = f.field.random();
  const Formal one = f.field.integer(1);
  CHECK(same(sigmoid(x), exp(x) / (one + exp(x))));
  CHECK(same(tanh(x), f.field.integer(2) * sigmoid(x + x) - one));
  CHECK(same(cosh(x) * cosh(x) - sinh(x) * sinh(x), one));
}

TEST_CASE("constants are exact fractions") {
  Field f;
  CHECK(same(f.field.constant(1.0 / 3.0) * f.field.integer(3), f.field.integer(1)));
  CHECK(same(f.field.constant(-2.5), f.field.integer(-5) / f.field.integer(2)));
}

TEST_CASE("division by zero poisons, and poison spreads") {
  Field f;
  const Formal bad = f.field.integer(1) / f.field.integer(0);
  CHECK(bad.state == Formal::State::kPoison);
  CHECK((bad * f.field.integer(0)).state == Formal::State::kPoison);
  CHECK(max(bad, f.field.integer(1)).state == Formal::State::kPoison);
}

TEST_CASE("minus infinity is the identity of max and vanishes under exp") {
  Field f;
  const Formal x = f.field.random();
  const Formal bottom = f.field.infinity(true);
  CHECK(same(max(bottom, x), x));
  CHECK(same(exp(bottom), f.field.integer(0)));
  CHECK((bottom - bottom).state == Formal::State::kPoison);
}

TEST_CASE("fresh values are keyed by their operands") {
  Field f;
  const Formal a = f.field.random();
  const Formal b = f.field.random();
  CHECK(same(erf(a + b), erf(b + a)));
  CHECK(same(max(a, b), max(b, a)));
  CHECK(!same(erf(a), erf(b)));
  CHECK(!same(less(a, b), less(b, a)));
  CHECK(!same(sqrt(a), erf(a)));
}
