// Random words of the identity tester: ChaCha20 keyed with 256 bits from the operating system.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace lamina {

// A stream of uniform 64-bit words that nobody who wrote the graphs can have foreseen: soundness
// rests on that. The seed is recorded so that a run can be replayed. Not thread safe.
class SecretRandom {
 public:
  using Seed = std::array<std::uint32_t, 8>;

  explicit SecretRandom(const Seed& seed);
  static Seed system_seed();  // throws kIo when the operating system gives none

  std::uint64_t word();
  std::uint64_t below(std::uint64_t bound);  // uniform in [0, bound), bound > 0
  double unit();                             // uniform in [0, 1)

 private:
  void refill();

  std::array<std::uint32_t, 16> state_;
  std::array<std::uint32_t, 16> block_;
  std::size_t used_ = 16;
};

std::string to_hex(const SecretRandom::Seed& seed);

}  // namespace lamina
