// The primes of the identity tester.
#pragma once

#include <cstdint>

#include "verify/secret_random.h"

namespace lamina {

bool is_prime(std::uint64_t n);  // deterministic

// A prime pair with q | p - 1 and an element of order q in F_p.
struct PrimeTuple {
  std::uint64_t p = 0;
  std::uint64_t q = 0;
  std::uint64_t omega = 0;
};

// q uniform among the primes of [2^24, 2^25), p uniform among the primes 1 mod q of
// [2^49, 2^50), omega uniform among the elements of order q.
PrimeTuple draw_primes(SecretRandom& random);

}  // namespace lamina
