// The primes of the identity tester.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "num/residue_field.h"
#include "verify/secret_random.h"

namespace lamina {

bool is_prime(std::uint64_t n);  // deterministic

// What is fixed before anything is drawn: q is uniform among the primes of [smallest_q,
// 2 smallest_q), p uniform among all primes of [smallest_p, 2 smallest_p) that are 1 modulo q. With
// `imaginary` both q and p are 1 modulo 4, so that -1 has a root.
struct PrimeProfile {
  std::uint64_t smallest_p = 0;
  std::uint64_t smallest_q = 0;
  bool imaginary = false;
  std::int64_t exponent_primes = 0;   // how many q there are
  std::int64_t least_candidates = 0;  // a q with fewer p is void
};
PrimeProfile prime_profile(bool imaginary);

PrimePair draw_pair(const PrimeProfile& profile, SecretRandom& random);

// The number of primes p among which that of the pair was drawn.
std::int64_t count_candidates(const PrimeProfile& profile, const PrimePair& pair);

// All primes p of [smallest_p, 2 smallest_p) with p = 1 modulo `step`, ascending; q divides step
// and is a prime above the root of every p.
std::vector<std::uint64_t> primes_in_progression(std::uint64_t smallest_p, std::uint64_t step,
                                                 std::uint64_t q);

}  // namespace lamina
