// Primality by Miller-Rabin, and drawing prime pairs.
#include "verify/primes.h"

#include <bit>

namespace lamina {
namespace {

std::uint64_t mul_mod(std::uint64_t a, std::uint64_t b, std::uint64_t m) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(a) * b % m);
}

std::uint64_t pow_mod(std::uint64_t base, std::uint64_t exponent, std::uint64_t m) {
  std::uint64_t result = 1 % m;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = mul_mod(result, base, m);
    base = mul_mod(base, base, m);
  }
  return result;
}

bool witnesses_composite(std::uint64_t base, std::uint64_t n) {
  const int twos = std::countr_zero(n - 1);
  std::uint64_t x = pow_mod(base, (n - 1) >> twos, n);
  if (x == 1 || x == n - 1) return false;
  for (int i = 1; i < twos; ++i) {
    x = mul_mod(x, x, n);
    if (x == n - 1) return false;
  }
  return true;
}

}  // namespace

// The first twelve primes as bases decide every n < 3.3e24 (Sorenson and Webster, 2015).
bool is_prime(std::uint64_t n) {
  constexpr std::uint64_t kBases[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
  if (n < 2) return false;
  for (const std::uint64_t base : kBases) {
    if (n % base == 0) return n == base;
  }
  for (const std::uint64_t base : kBases) {
    if (witnesses_composite(base, n)) return false;
  }
  return true;
}

PrimeTuple draw_primes(SecretRandom& random) {
  constexpr std::uint64_t kSmallest = std::uint64_t{1} << 49;
  constexpr std::uint64_t kSmallestExponent = std::uint64_t{1} << 24;
  PrimeTuple tuple;
  do {
    tuple.q = kSmallestExponent + random.below(kSmallestExponent);
  } while (!is_prime(tuple.q));
  const std::uint64_t first = kSmallest / tuple.q + 1;
  const std::uint64_t last = (2 * kSmallest - 2) / tuple.q;
  do {
    tuple.p = (first + random.below(last - first + 1)) * tuple.q + 1;
  } while (!is_prime(tuple.p));
  do {
    const std::uint64_t g = 1 + random.below(tuple.p - 1);
    tuple.omega = pow_mod(g, (tuple.p - 1) / tuple.q, tuple.p);
  } while (tuple.omega == 1);
  return tuple;
}

}  // namespace lamina
