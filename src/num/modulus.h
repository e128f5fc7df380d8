// Arithmetic modulo a number below 2^50.
#pragma once

#include <cstdint>

namespace lamina {

// Products by a floating-point quotient, which is off by at most one.
class Modulus {
 public:
  Modulus() = default;
  explicit Modulus(std::uint64_t m) : value_(m), inverse_(1.0 / static_cast<double>(m)) {}

  std::uint64_t value() const { return value_; }
  std::uint64_t add(std::uint64_t a, std::uint64_t b) const {
    const std::uint64_t sum = a + b;
    return sum >= value_ ? sum - value_ : sum;
  }
  std::uint64_t negate(std::uint64_t a) const { return a == 0 ? 0 : value_ - a; }
  std::uint64_t multiply(std::uint64_t a, std::uint64_t b) const {
    const double quotient = static_cast<double>(a) * static_cast<double>(b) * inverse_;
    return near(a * b - static_cast<std::uint64_t>(quotient) * value_);
  }
  // Any x but the least; its quotient is known but for one.
  std::uint64_t reduce(std::int64_t x) const {
    constexpr std::uint64_t kSmall = 1 << 14;
    if (value_ < kSmall) return of(x);
    const auto quotient = static_cast<std::int64_t>(static_cast<double>(x) * inverse_);
    return near(static_cast<std::uint64_t>(x) - static_cast<std::uint64_t>(quotient) * value_);
  }
  std::uint64_t power(std::uint64_t base, std::uint64_t exponent) const;
  std::uint64_t inverse(std::uint64_t a) const;  // of a prime modulus, a not 0 and below it
  std::uint64_t of(std::int64_t value) const;

 private:
  // From within one modulus of [0, value).
  std::uint64_t near(std::uint64_t r) const {
    if (static_cast<std::int64_t>(r) < 0) return r + value_;
    return r >= value_ ? r - value_ : r;
  }

  std::uint64_t value_ = 1;
  double inverse_ = 1.0;
};

}  // namespace lamina
