// Conversions of the 16-bit float formats.
#include "num/half.h"

#include <cmath>

namespace lamina {

float round_to_odd(double value) {
  const float near = static_cast<float>(value);
  if (std::isnan(value) || std::isinf(near) || static_cast<double>(near) == value) return near;
  const bool away = std::fabs(static_cast<double>(near)) > std::fabs(value);
  const float toward_zero = away ? std::nextafterf(near, 0.0f) : near;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(toward_zero) | 1u);
}

bf16::bf16(double value) : bits(round(round_to_odd(value))) {}

f16::f16(double value) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000u : 0u);
  const double magnitude = std::fabs(value);
  if (std::isnan(value)) {
    bits = sign | 0x7e00u;
  } else if (magnitude >= 65520.0) {
    bits = sign | 0x7c00u;
  } else if (magnitude < 6.103515625e-05) {
    bits = sign | static_cast<std::uint16_t>(std::nearbyint(std::ldexp(magnitude, 24)));
  } else {
    int exponent = 0;
    std::frexp(magnitude, &exponent);
    const auto mantissa =
        static_cast<std::uint32_t>(std::nearbyint(std::ldexp(magnitude, 11 - exponent)));
    bits = sign | static_cast<std::uint16_t>(((exponent + 13) << 10) + mantissa);
  }
}

f16::operator float() const {
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 1023;
  const float sign = (bits & 0x8000u) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) {
    return mantissa == 0 ? sign * INFINITY : std::copysign(NAN, sign);
  }
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
}

}  // namespace lamina
