// Arithmetic modulo s^2 = g and c^3 = h.
#include "num/root_extension.h"

#include <doctest/doctest.h>

#include <random>

using namespace lamina;

namespace {

// Small primes q that divide p - 1.
const std::array<PrimePair, kLanes> kPairs = {PrimePair{227, 113, 4}, PrimePair{167, 83, 4},
                                              PrimePair{23, 11, 4}, PrimePair{47, 23, 4}};

std::uint64_t next_word(void* rng) { return (*static_cast<std::mt19937_64*>(rng))(); }

}  // namespace

TEST_CASE("roots satisfy their equations, and inverses are inverses") {
  std::mt19937_64 rng(7);
  const ResidueField field(kPairs, next_word, &rng);
  RootExtension extension(field);
  const auto random = [&] { return extension.scalar(field.random()); };
  const auto g = random();
  const std::size_t s = extension.add(2, g);
  const auto h = extension.sum(random(), extension.product(random(), extension.symbol(s)));
  const std::size_t c = extension.add(3, h);
  const auto root = extension.symbol(s);
  const auto cube = extension.symbol(c);
  CHECK(extension.equal(extension.product(root, root), g));
  CHECK(extension.equal(extension.product(extension.product(cube, cube), cube), h));
  int inverted = 0;
  for (int i = 0; i < 200; ++i) {
    auto x = random();
    for (const auto& y : {root, cube, extension.product(cube, cube)}) {
      x = extension.sum(x, extension.product(random(), y));
    }
    CHECK_FALSE(extension.as_scalar(x).has_value());
    CHECK(extension.highest_generator(x) == c);
    CHECK(extension.highest_generator(extension.norm(x, c)).value_or(0) == s);
    const auto inverse = extension.inverse(x);
    if (!inverse) continue;
    ++inverted;
    CHECK(extension.equal(extension.product(x, *inverse), extension.scalar(field.integer(1))));
  }
  CHECK(inverted > 50);
}

TEST_CASE("an inverse knows no exponent where a zero of its divisor knows none") {
  std::mt19937_64 rng(9);
  const ResidueField field(kPairs, next_word, &rng);
  RootExtension extension(field);
  const Formal power = field.exponential(field.random(), false);
  const auto zero = extension.scalar(field.add(power, field.negate(power)));
  REQUIRE(zero.size() == 1);
  const auto a = extension.scalar(field.random());
  for (const int order : {2, 3}) {
    const std::size_t s = extension.add(order, extension.scalar(field.random()));
    const auto x = extension.sum(a, extension.product(zero, extension.symbol(s)));
    CHECK(extension.highest_generator(x) == s);
    CHECK_FALSE(extension.highest_generator(extension.norm(x, s)).has_value());
    const auto inverse = extension.inverse(x);
    REQUIRE(inverse.has_value());
    CHECK(extension.equal(extension.product(a, *inverse), extension.scalar(field.integer(1))));
    CHECK(extension.slot(*inverse) != Formal::Slot::kKnown);
  }
}

TEST_CASE("a divisor of zero has no inverse") {
  std::mt19937_64 rng(8);
  const ResidueField field(kPairs, next_word, &rng);
  RootExtension extension(field);
  const auto x = extension.scalar(field.random());
  const std::size_t s = extension.add(2, extension.product(x, x));
  const auto divisor = extension.sum(x, extension.symbol(s));  // (x + s)(x - s) = 0
  CHECK_FALSE(extension.inverse(divisor).has_value());
  CHECK(extension.equal(extension.norm(divisor, s), {}));
}
