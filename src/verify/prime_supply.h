// Primes that the checks of a batch share.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <utility>

#include "verify/primes.h"
#include "verify/secret_random.h"

namespace lamina {

class PrimeSupply {
 public:
  struct Set {
    std::array<PrimePair, kLanes> pairs;
    std::array<std::int64_t, kLanes> candidates{};  // primes among which each p was drawn
  };

  // Of pass number `pass`, drawn at the first call.
  const Set& get(const PrimeProfile& profile, int pass);

 private:
  SecretRandom random_{SecretRandom::system_seed()};
  std::map<std::pair<bool, int>, Set> sets_;
};

}  // namespace lamina
