// Hashing formal values.
#include "verify/digest.h"

#include <array>

#include "base/hash.h"

namespace lamina {
namespace {

void add(Hasher& hasher, const Formal& x) {
  std::array<std::uint64_t, 1 + 2 * kLanes> words{};
  words[0] = static_cast<std::uint64_t>(x.state) | static_cast<std::uint64_t>(x.slot) << 8 |
             std::uint64_t{x.constant} << 16 | std::uint64_t{x.bit} << 17;
  std::size_t count = 1;
  if (x.finite()) {
    for (const std::uint64_t residue : x.p) words[count++] = residue;
  }
  if (x.finite() && x.has_q()) {
    for (const std::uint32_t residue : x.q) words[count++] = residue;
  }
  hasher.add(std::as_bytes(std::span(words.data(), count)));
}

}  // namespace

std::string digest(std::span<const Array<Formal>> arrays) {
  Hasher hasher;
  for (const Array<Formal>& array : arrays) {
    hasher.add(std::as_bytes(std::span(array.shape)));
    hasher.add(std::int64_t{array.is_whole});
    hasher.add(std::as_bytes(std::span(array.whole)));
    for (const Formal& x : array.real) add(hasher, x);
  }
  return hasher.hex();
}

}  // namespace lamina
