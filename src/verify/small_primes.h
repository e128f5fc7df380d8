// Prime pairs small enough for rates of acceptance to be measured: what tests and the benchmark of
// soundness compare the bounds with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "verify/primes.h"
#include "verify/secret_random.h"

namespace lamina {

// All primes q of [smallest_q, 2 smallest_q), each with all its primes p of [smallest_p,
// 2 smallest_p). `smallest_q` is at least 3.
class SmallPrimes {
 public:
  SmallPrimes(std::uint64_t smallest_p, std::uint64_t smallest_q) {
    profile_.smallest_p = smallest_p;
    profile_.smallest_q = smallest_q;
    std::size_t least = 0;
    for (std::uint64_t q = smallest_q; q < 2 * smallest_q; ++q) {
      if (!is_prime(q)) continue;
      ++profile_.exponent_primes;
      std::vector<std::uint64_t> primes = primes_in_progression(smallest_p, 2 * q, q);
      if (primes.empty()) continue;
      least = least == 0 ? primes.size() : std::min(least, primes.size());
      fields_.emplace_back(q, std::move(primes));
    }
    profile_.least_candidates = static_cast<std::int64_t>(least);
  }

  // A q without any p is void; every other one counts.
  const PrimeProfile& profile() const { return profile_; }
  const std::vector<std::pair<std::uint64_t, std::vector<std::uint64_t>>>& fields() const {
    return fields_;
  }

  // Uniform q, p and omega; nullopt for a void q.
  std::optional<PrimePair> draw(SecretRandom& random) const {
    const std::uint64_t choice = random.below(static_cast<std::uint64_t>(profile_.exponent_primes));
    if (choice >= fields_.size()) return std::nullopt;
    const auto& [q, primes] = fields_[choice];
    PrimePair pair;
    pair.q = q;
    pair.p = primes[random.below(primes.size())];
    const Modulus p(pair.p);
    do {
      pair.omega = p.power(1 + random.below(pair.p - 1), (pair.p - 1) / q);
    } while (pair.omega == 1);
    return pair;
  }

 private:
  PrimeProfile profile_;
  std::vector<std::pair<std::uint64_t, std::vector<std::uint64_t>>> fields_;
};

}  // namespace lamina
