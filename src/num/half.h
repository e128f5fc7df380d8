// bf16 and f16: storage formats with conversions to and from float and double.
#pragma once

#include <bit>
#include <cstdint>

namespace lamina {

// The upper half of an IEEE binary32.
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  explicit bf16(float value) : bits(round(value)) {}
  // Rounds once: through float with round-to-odd, so that no double rounding occurs.
  explicit bf16(double value);
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
  bool operator==(const bf16&) const = default;

 private:
  // Round to nearest even; a NaN stays a (quiet) NaN.
  static std::uint16_t round(float value) {
    const auto u = std::bit_cast<std::uint32_t>(value);
    if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((u >> 16) | 0x40u);
    return static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
};

// IEEE binary16.
struct f16 {
  std::uint16_t bits = 0;

  f16() = default;
  explicit f16(float value) : f16(static_cast<double>(value)) {}
  explicit f16(double value);
  explicit operator float() const;
  explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
  bool operator==(const f16&) const = default;
};

// `value` as the float that keeps enough bits for a second rounding to fewer than 24 bits to be
// correct (round to odd).
float round_to_odd(double value);

}  // namespace lamina
