// Random numbers: a counter-based generator that is always passed explicitly.
#pragma once

#include <cstdint>
#include <string_view>

namespace lamina {

// Number i of the stream is a mixture of the key and i (SplitMix64, Steele et al., OOPSLA 2014), so
// a stream is told by (seed, position) and is the same on every machine. Not for secrets.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) : key_(seed) {}

  std::uint64_t bits();
  double uniform();                                             // in [0, 1), 53 bits
  double uniform(double low, double high);                      // in [low, high)
  std::int64_t integer(std::int64_t first, std::int64_t last);  // in first..last, unbiased
  double normal();                                              // mean 0, variance 1
  bool chance(double probability) { return uniform() < probability; }

  // An independent stream; the same label gives the same stream whatever was drawn before.
  Rng split(std::uint64_t label) const;

 private:
  std::uint64_t key_;
  std::uint64_t count_ = 0;
};

}  // namespace lamina
