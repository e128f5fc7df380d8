// A 128-bit hash for keys of caches. Not cryptographic: it protects against accidents, not against
// somebody who wants a collision.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lamina {

// Hashes a sequence of parts. Each part enters with its length, so that ("ab", "c") and
// ("a", "bc") differ. The same on every machine of the same byte order.
class Hasher {
 public:
  Hasher& add(std::span<const std::byte> bytes);
  Hasher& add(std::string_view text);
  Hasher& add(std::int64_t value);

  std::string hex() const;  // 32 hexadecimal digits

 private:
  void mix(std::uint64_t a, std::uint64_t b);

  std::uint64_t low_ = 0x243f6a8885a308d3u;  // digits of pi
  std::uint64_t high_ = 0x13198a2e03707344u;
};

}  // namespace lamina
