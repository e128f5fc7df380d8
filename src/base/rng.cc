// SplitMix64 as a counter-based generator.
#include "base/rng.h"

#include <cmath>
#include <numbers>

#include "base/check.h"

namespace lamina {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15U;

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

}  // namespace

std::uint64_t Rng::bits() { return mix(key_ + kGolden * ++count_); }

double Rng::uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

double Rng::uniform(double low, double high) { return low + (high - low) * uniform(); }

// Draws that would favour some values are thrown away.
std::int64_t Rng::integer(std::int64_t first, std::int64_t last) {
  require(first <= last, "random integer: the range {}..{} is empty", first, last);
  const std::uint64_t span =
      static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first) + 1;
  if (span == 0) return static_cast<std::int64_t>(bits());  // all 64 bits
  const std::uint64_t excess = (0 - span) % span;           // 2^64 mod span
  std::uint64_t drawn = bits();
  while (drawn < excess) drawn = bits();
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(first) + drawn % span);
}

// Box-Muller; one of the pair is enough, so that a draw always takes two numbers of the stream.
double Rng::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

Rng Rng::split(std::uint64_t label) const {
  return Rng(mix(mix(key_ + kGolden) ^ mix(label + 0x632be59bd9b4e019U)));
}

}  // namespace lamina
