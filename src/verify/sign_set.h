// Sets of signs: what is known about the sign of a real number.
#pragma once

#include <array>
#include <cstdint>

#include "num/interval.h"

namespace lamina {

// A set of the signs -1, 0 and 1.
class SignSet {
 public:
  constexpr SignSet() = default;
  static constexpr SignSet of(int sign) { return SignSet(std::uint8_t(1u << (sign + 1))); }
  static constexpr SignSet all() { return SignSet(7); }
  static constexpr SignSet not_negative() { return SignSet(6); }

  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool has(int sign) const { return (bits_ >> (sign + 1) & 1) != 0; }
  constexpr bool single() const { return bits_ != 0 && (bits_ & (bits_ - 1)) == 0; }
  constexpr bool within(SignSet other) const { return (bits_ & ~other.bits_) == 0; }

  bool operator==(const SignSet&) const = default;
  friend constexpr SignSet operator|(SignSet a, SignSet b) {
    return SignSet(std::uint8_t(a.bits_ | b.bits_));
  }
  friend constexpr SignSet operator&(SignSet a, SignSet b) {
    return SignSet(std::uint8_t(a.bits_ & b.bits_));
  }
  friend constexpr SignSet operator-(SignSet a, SignSet b) {
    return SignSet(std::uint8_t(a.bits_ & ~b.bits_));
  }

 private:
  constexpr explicit SignSet(std::uint8_t bits) : bits_(bits) {}

  std::uint8_t bits_ = 0;  // bit s + 1: the sign s
};

constexpr int kSigns[] = {-1, 0, 1};

// The signs that f(a, b) may have when a and b have signs of these sets; f maps two signs to a set.
template <class F>
constexpr SignSet combined(SignSet a, SignSet b, F f) {
  SignSet result;
  for (const int x : kSigns) {
    for (const int y : kSigns) {
      if (a.has(x) && b.has(y)) result = result | f(x, y);
    }
  }
  return result;
}

constexpr SignSet negated(SignSet a) {
  return combined(a, SignSet::of(0), [](int x, int) { return SignSet::of(-x); });
}

constexpr SignSet product(SignSet a, SignSet b) {
  return combined(a, b, [](int x, int y) { return SignSet::of(x * y); });
}

constexpr SignSet sum(SignSet a, SignSet b) {
  return combined(
      a, b, [](int x, int y) { return x * y < 0 ? SignSet::all() : SignSet::of(x != 0 ? x : y); });
}

// Of a quotient that is defined.
constexpr SignSet quotient(SignSet a, SignSet b) { return product(a, b - SignSet::of(0)); }

inline SignSet signs_of(const Interval& x) {
  SignSet signs;
  if (x.low < 0) signs = signs | SignSet::of(-1);
  if (x.contains(0.0)) signs = signs | SignSet::of(0);
  if (x.high > 0) signs = signs | SignSet::of(1);
  return signs;
}

}  // namespace lamina
