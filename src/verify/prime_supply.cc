// Drawing the primes of a batch when they are first needed.
#include "verify/prime_supply.h"

#include "lamina/verify.h"

namespace lamina {

const PrimeSupply::Set& PrimeSupply::get(const PrimeProfile& profile, int pass) {
  const auto [at, added] = sets_.try_emplace({profile.imaginary, pass});
  if (!added) return at->second;
  for (std::size_t i = 0; i < kLanes; ++i) {
    at->second.pairs[i] = draw_pair(profile, random_);
    at->second.candidates[i] = count_candidates(profile, at->second.pairs[i]);
  }
  return at->second;
}

std::shared_ptr<PrimeSupply> share_primes() { return std::make_shared<PrimeSupply>(); }

}  // namespace lamina
