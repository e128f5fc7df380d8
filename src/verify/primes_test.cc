// Primes and the random stream of the identity tester.
#include "verify/primes.h"

#include <doctest/doctest.h>

#include <set>

using namespace lamina;

TEST_CASE("primality is right on primes, composites and strong pseudoprimes") {
  int count = 0;
  for (std::uint64_t n = 0; n < 10000; ++n) count += is_prime(n) ? 1 : 0;
  CHECK(count == 1229);
  CHECK(is_prime(18446744073709551557u));  // the largest below 2^64
  CHECK(is_prime((std::uint64_t{1} << 61) - 1));
  // Strong pseudoprimes to the bases 2..7, and 2..37 without 37 (Jaeschke 1993; OEIS A014233).
  CHECK_FALSE(is_prime(3215031751u));
  CHECK_FALSE(is_prime(3825123056546413051u));
  CHECK_FALSE(is_prime(18446744073709551557u - 2));
}

TEST_CASE("prime pairs have the promised form and differ from draw to draw") {
  SecretRandom random(SecretRandom::system_seed());
  std::set<std::uint64_t> seen;
  for (const bool imaginary : {false, true}) {
    const PrimeProfile profile = prime_profile(imaginary);
    for (int i = 0; i < 3; ++i) {
      const PrimePair t = draw_pair(profile, random);
      CHECK(is_prime(t.p));
      CHECK(is_prime(t.q));
      CHECK((t.p - 1) % t.q == 0);
      CHECK((t.q >> 30) == 1);
      CHECK((t.p >> 49) == 1);
      const Modulus p(t.p);
      CHECK(p.power(t.omega, t.q) == 1);
      CHECK(t.omega != 1);
      CHECK((t.root_p != 0) == imaginary);
      if (imaginary) {
        CHECK(p.multiply(t.root_p, t.root_p) == t.p - 1);
        CHECK(t.root_q * t.root_q % t.q == t.q - 1);
      }
      CHECK(count_candidates(profile, t) >= profile.least_candidates);
      seen.insert(t.p);
    }
  }
  CHECK(seen.size() == 6);
}

TEST_CASE("the primes of a progression are all of them") {
  const std::uint64_t q = 10007;
  std::vector<std::uint64_t> expected;
  for (std::uint64_t p = (std::uint64_t{1} << 25) / q * q + 1; p < std::uint64_t{1} << 26; p += q) {
    if (p >= std::uint64_t{1} << 25 && is_prime(p)) expected.push_back(p);
  }
  CHECK(expected.size() > 100);
  CHECK(primes_in_progression(std::uint64_t{1} << 25, 2 * q, q) == expected);
}

TEST_CASE("the random stream is ChaCha20 and repeats from its seed") {
  // RFC 8439, appendix A.1, test vector 1: key, nonce and counter zero.
  SecretRandom zero(SecretRandom::Seed{});
  CHECK(zero.word() == 0x903df1a0ade0b876u);
  const SecretRandom::Seed seed = SecretRandom::system_seed();
  CHECK(seed != SecretRandom::system_seed());
  SecretRandom a(seed), b(seed);
  for (int i = 0; i < 40; ++i) CHECK(a.word() == b.word());
  for (int i = 0; i < 100; ++i) CHECK(a.below(3) < 3);
  CHECK(to_hex(seed).size() == 64);
}
