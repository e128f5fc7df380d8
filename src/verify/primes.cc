// Primality by Miller-Rabin, and drawing prime pairs.
#include "verify/primes.h"

#include <algorithm>
#include <bit>
#include <numeric>

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

namespace {

// Odd primes below `bound`.
std::vector<std::uint64_t> small_primes(std::uint64_t bound) {
  std::vector<std::uint64_t> primes;
  for (std::uint64_t n = 3; n < bound; n += 2) {
    if (is_prime(n)) primes.push_back(n);
  }
  return primes;
}

// Independent powers, whose steps the processor overlaps.
constexpr std::size_t kAtOnce = 8;
using Words = std::array<std::uint64_t, kAtOnce>;

Words powers(const std::array<Modulus, kAtOnce>& moduli, const Words& base, const Words& exponent) {
  Words result;
  result.fill(1);
  std::uint64_t largest = 0;
  for (const std::uint64_t e : exponent) largest = std::max(largest, e);
  for (int bit = 63 - std::countl_zero(largest | 1); bit >= 0; --bit) {
    for (std::size_t i = 0; i < kAtOnce; ++i) result[i] = moduli[i].multiply(result[i], result[i]);
    for (std::size_t i = 0; i < kAtOnce; ++i) {
      result[i] = moduli[i].multiply(result[i], (exponent[i] >> bit & 1) != 0 ? base[i] : 1);
    }
  }
  return result;
}

// Appends the primes among up to kAtOnce candidates. Pocklington: with a prime q > sqrt(p) that
// divides p - 1, p is prime if a^(p-1) = 1 and a^((p-1)/q) - 1 is prime to p for some a; here a
// = 2.
void append_primes(const std::vector<std::uint64_t>& candidates, std::uint64_t q,
                   std::vector<std::uint64_t>& primes) {
  std::array<Modulus, kAtOnce> moduli;
  moduli.fill(Modulus(3));
  Words base, exponent, common;
  base.fill(2);
  exponent.fill(0);
  common.fill(q);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    moduli[i] = Modulus(candidates[i]);
    exponent[i] = (candidates[i] - 1) / q;
  }
  const Words power = powers(moduli, base, exponent);
  const Words one = powers(moduli, power, common);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::uint64_t p = candidates[i];
    if (one[i] != 1) continue;
    const bool proved = q > p / q && std::gcd(power[i] + p - 1, p) == 1;
    if (proved || is_prime(p)) primes.push_back(p);
  }
}

std::uint64_t root_of_minus_one(const Modulus& modulus, SecretRandom& random) {
  const std::uint64_t m = modulus.value();
  while (true) {
    const std::uint64_t root = modulus.power(1 + random.below(m - 1), (m - 1) / 4);
    if (modulus.multiply(root, root) == m - 1) return root;
  }
}

}  // namespace

std::vector<std::uint64_t> primes_in_progression(std::uint64_t smallest_p, std::uint64_t step,
                                                 std::uint64_t q) {
  static const std::vector<std::uint64_t> kSieve = small_primes(20000);
  const std::uint64_t first = (smallest_p + step - 2) / step;
  const std::uint64_t count = (2 * smallest_p - 2) / step - first + 1;
  std::vector<bool> composite(count, false);
  for (const std::uint64_t r : kSieve) {
    if (step % r == 0) continue;
    // p = 1 + step * k vanishes modulo r where k = -1 / step.
    const std::uint64_t k = (r - pow_mod(step % r, r - 2, r)) % r;
    // The prime r itself may be one of them where p is small.
    for (std::uint64_t i = (k + r - first % r) % r; i < count; i += r) {
      composite[i] = 1 + step * (first + i) != r;
    }
  }
  std::vector<std::uint64_t> primes, candidates;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (composite[i]) continue;
    candidates.push_back(1 + step * (first + i));
    if (candidates.size() < kAtOnce) continue;
    append_primes(candidates, q, primes);
    candidates.clear();
  }
  append_primes(candidates, q, primes);
  return primes;
}

PrimeProfile prime_profile(bool imaginary) {
  PrimeProfile profile;
  profile.smallest_p = std::uint64_t{1} << 49;
  profile.smallest_q = std::uint64_t{1} << 30;
  profile.imaginary = imaginary;
  // Counted by a sieve over [2^30, 2^31).
  profile.exponent_primes = imaginary ? 25348870 : 50697537;
  // Four fifths of the expected number at the largest q, 2^49 / (2^31 ln(1.5 * 2^49)); half of it
  // where p = 1 modulo 4 as well.
  profile.least_candidates = imaginary ? 3048 : 6096;
  return profile;
}

namespace {

// Primes p are 1 modulo this.
std::uint64_t step_of(const PrimeProfile& profile, std::uint64_t q) {
  return (profile.imaginary ? 4 : 2) * q;
}

}  // namespace

PrimePair draw_pair(const PrimeProfile& profile, SecretRandom& random) {
  PrimePair pair;
  do {
    pair.q = profile.smallest_q + random.below(profile.smallest_q);
  } while ((profile.imaginary && pair.q % 4 != 1) || !is_prime(pair.q));
  const std::uint64_t step = step_of(profile, pair.q);
  const std::uint64_t first = (profile.smallest_p + step - 2) / step;
  const std::uint64_t last = (2 * profile.smallest_p - 2) / step;
  do {
    pair.p = 1 + step * (first + random.below(last - first + 1));
  } while (!is_prime(pair.p));
  const Modulus p(pair.p);
  do {
    pair.omega = p.power(1 + random.below(pair.p - 1), (pair.p - 1) / pair.q);
  } while (pair.omega == 1);
  if (profile.imaginary) {
    pair.root_p = root_of_minus_one(p, random);
    pair.root_q = root_of_minus_one(Modulus(pair.q), random);
  }
  return pair;
}

std::int64_t count_candidates(const PrimeProfile& profile, const PrimePair& pair) {
  return static_cast<std::int64_t>(
      primes_in_progression(profile.smallest_p, step_of(profile, pair.q), pair.q).size());
}

}  // namespace lamina
