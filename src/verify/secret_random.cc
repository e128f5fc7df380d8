// ChaCha20 (D. J. Bernstein, 2008; RFC 8439) as a random stream.
#include "verify/secret_random.h"

#include <fmt/core.h>
#include <sys/random.h>

#include <bit>
#include <cerrno>

#include "base/check.h"

namespace lamina {
namespace {

// Inlined by force: called once a word, it is a quarter of the time of a check.
[[gnu::always_inline]] inline void quarter_round(std::array<std::uint32_t, 16>& x, std::size_t a,
                                                 std::size_t b, std::size_t c, std::size_t d) {
  x[a] += x[b], x[d] = std::rotl(x[d] ^ x[a], 16);
  x[c] += x[d], x[b] = std::rotl(x[b] ^ x[c], 12);
  x[a] += x[b], x[d] = std::rotl(x[d] ^ x[a], 8);
  x[c] += x[d], x[b] = std::rotl(x[b] ^ x[c], 7);
}

}  // namespace

SecretRandom::SecretRandom(const Seed& seed)
    : state_{0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u}, block_{} {
  for (std::size_t i = 0; i < seed.size(); ++i) state_[4 + i] = seed[i];
}

SecretRandom::Seed SecretRandom::system_seed() {
  Seed seed{};
  ssize_t got = 0;
  do {
    got = getrandom(seed.data(), sizeof(seed), 0);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof(seed))) {
    fail(ErrorCode::kIo, "the operating system gave no random numbers");
  }
  return seed;
}

void SecretRandom::refill() {
  block_ = state_;
  for (int round = 0; round < 10; ++round) {
    for (std::size_t i = 0; i < 4; ++i) quarter_round(block_, i, 4 + i, 8 + i, 12 + i);
    for (std::size_t i = 0; i < 4; ++i) {
      quarter_round(block_, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
  }
  for (std::size_t i = 0; i < 16; ++i) block_[i] += state_[i];
  if (++state_[12] == 0) ++state_[13];
  used_ = 0;
}

std::uint64_t SecretRandom::word() {
  if (used_ == block_.size()) refill();
  const std::uint64_t low = block_[used_];
  const std::uint64_t high = block_[used_ + 1];
  used_ += 2;
  return high << 32 | low;
}

std::uint64_t SecretRandom::below(std::uint64_t bound) {
  check(bound > 0, "no number is below 0");
  const std::uint64_t mask = ~std::uint64_t{0} >> std::countl_zero(bound);
  std::uint64_t value = word() & mask;
  while (value >= bound) value = word() & mask;
  return value;
}

double SecretRandom::unit() { return static_cast<double>(word() >> 11) * 0x1p-53; }

std::string to_hex(const SecretRandom::Seed& seed) {
  std::string text;
  for (const std::uint32_t part : seed) text += fmt::format("{:08x}", part);
  return text;
}

}  // namespace lamina
