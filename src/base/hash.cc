// Two lanes of multiply-and-fold (the mixing step of wyhash), 16 bytes a step.
#include "base/hash.h"

#include <cstdio>
#include <cstring>

namespace lamina {
namespace {

__extension__ using Wide = unsigned __int128;

// The two halves of the product, folded: every input bit reaches every output bit.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

void Hasher::mix(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t low = fold(low_ ^ a ^ 0xa4093822299f31d0u, high_ ^ b ^ 0x082efa98ec4e6c89u);
  high_ = fold(high_ ^ a ^ 0x452821e638d01377u, b ^ 0xbe5466cf34e90c6cu) + low_;
  low_ = low;
}

Hasher& Hasher::add(std::span<const std::byte> bytes) {
  std::size_t at = 0;
  std::uint64_t pair[2];
  for (; at + sizeof pair <= bytes.size(); at += sizeof pair) {
    std::memcpy(pair, bytes.data() + at, sizeof pair);
    mix(pair[0], pair[1]);
  }
  pair[0] = pair[1] = 0;
  if (at < bytes.size()) std::memcpy(pair, bytes.data() + at, bytes.size() - at);
  mix(pair[0], pair[1]);
  mix(bytes.size(), 0x9e3779b97f4a7c15u);
  return *this;
}

Hasher& Hasher::add(std::string_view text) {
  return add(std::as_bytes(std::span(text.data(), text.size())));
}

Hasher& Hasher::add(std::int64_t value) { return add(std::as_bytes(std::span(&value, 1))); }

std::string Hasher::hex() const {
  char text[33];
  const std::uint64_t high = fold(high_ ^ 0xc0ac29b7c97c50ddu, low_ ^ 0x3f84d5b5b5470917u);
  const std::uint64_t low = fold(low_ ^ 0x9216d5d98979fb1bu, high_ + high);
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text;
}

}  // namespace lamina
