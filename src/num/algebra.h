// The algebra over which operators are defined: what a number type must offer, and the two plain
// number types, double and std::int64_t.
//
// A number type T has + - * / and unary -, and the functions below, found by argument-dependent
// lookup or here. Truth values are 0 and 1 of type T. `like(x, c)` is the constant c in the
// algebra of x. Semantics of the plain types (docs/numerics.md): max and min propagate NaN;
// comparisons with NaN are false; integer arithmetic wraps, integer division truncates and
// division by zero gives 0.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>

namespace lamina::num {

inline double like(double, double c) { return c; }
inline double abs(double x) { return std::fabs(x); }
inline double sign(double x) { return std::isnan(x) ? x : static_cast<double>((x > 0) - (x < 0)); }
inline double exp(double x) { return std::exp(x); }
inline double log(double x) { return std::log(x); }
inline double sqrt(double x) { return std::sqrt(x); }
inline double pow(double x, double y) { return std::pow(x, y); }
inline double erf(double x) { return std::erf(x); }
inline double sin(double x) { return std::sin(x); }
inline double cos(double x) { return std::cos(x); }
inline double tan(double x) { return std::tan(x); }
inline double asin(double x) { return std::asin(x); }
inline double acos(double x) { return std::acos(x); }
inline double atan(double x) { return std::atan(x); }
inline double sinh(double x) { return std::sinh(x); }
inline double cosh(double x) { return std::cosh(x); }
inline double tanh(double x) { return std::tanh(x); }
inline double asinh(double x) { return std::asinh(x); }
inline double acosh(double x) { return std::acosh(x); }
inline double atanh(double x) { return std::atanh(x); }
inline double floor(double x) { return std::floor(x); }
inline double ceil(double x) { return std::ceil(x); }
inline double round(double x) { return std::nearbyint(x); }  // halves to even
inline double trunc(double x) { return std::trunc(x); }
inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
// log(1 + exp(x)), without overflow.
inline double softplus(double x) { return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }
inline double max(double a, double b) { return std::isnan(a) || a > b ? a : b; }
inline double min(double a, double b) { return std::isnan(a) || a < b ? a : b; }
inline double less(double a, double b) { return a < b ? 1.0 : 0.0; }
inline double equal(double a, double b) { return a == b ? 1.0 : 0.0; }
inline double is_nan(double x) { return std::isnan(x) ? 1.0 : 0.0; }
inline double is_inf(double x) { return std::isinf(x) ? 1.0 : 0.0; }
inline double select(double c, double a, double b) { return c != 0.0 ? a : b; }
// The remainder with the sign of the divisor (Python) and of the dividend (C).
inline double fmod(double a, double b) { return std::fmod(a, b); }
inline double mod(double a, double b) {
  const double r = std::fmod(a, b);
  return r != 0.0 && (r < 0.0) != (b < 0.0) ? r + b : r;
}

using Whole = std::int64_t;

inline Whole wrap(std::uint64_t bits) { return std::bit_cast<Whole>(bits); }
inline std::uint64_t raw(Whole x) { return std::bit_cast<std::uint64_t>(x); }
inline Whole add(Whole a, Whole b) { return wrap(raw(a) + raw(b)); }
inline Whole sub(Whole a, Whole b) { return wrap(raw(a) - raw(b)); }
inline Whole mul(Whole a, Whole b) { return wrap(raw(a) * raw(b)); }
inline Whole div(Whole a, Whole b) { return b == 0 ? 0 : b == -1 ? sub(0, a) : a / b; }
inline Whole neg(Whole a) { return sub(0, a); }
// Truncates; values outside the range (infinite bounds of a clamp) become its ends, NaN 0.
inline Whole like(Whole, double c) {
  if (std::isnan(c)) return 0;
  if (c >= 0x1p63) return INT64_MAX;
  return c < -0x1p63 ? INT64_MIN : static_cast<Whole>(c);
}
inline Whole abs(Whole x) { return x < 0 ? neg(x) : x; }
inline Whole sign(Whole x) { return (x > 0) - (x < 0); }
inline Whole floor(Whole x) { return x; }
inline Whole ceil(Whole x) { return x; }
inline Whole round(Whole x) { return x; }
inline Whole trunc(Whole x) { return x; }
inline Whole max(Whole a, Whole b) { return a > b ? a : b; }
inline Whole min(Whole a, Whole b) { return a < b ? a : b; }
inline Whole less(Whole a, Whole b) { return a < b ? 1 : 0; }
inline Whole equal(Whole a, Whole b) { return a == b ? 1 : 0; }
inline Whole is_nan(Whole) { return 0; }
inline Whole is_inf(Whole) { return 0; }
inline Whole select(Whole c, Whole a, Whole b) { return c != 0 ? a : b; }
inline Whole fmod(Whole a, Whole b) { return b == 0 || b == -1 ? 0 : a % b; }
inline Whole mod(Whole a, Whole b) {
  const Whole r = fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
inline Whole bit_and(Whole a, Whole b) { return a & b; }
inline Whole bit_or(Whole a, Whole b) { return a | b; }
inline Whole bit_xor(Whole a, Whole b) { return a ^ b; }
inline Whole bit_not(Whole a) { return ~a; }
// Distances outside [0, 63] shift everything out. To the right the sign comes in.
inline Whole shift_left(Whole a, Whole by) { return by < 0 || by > 63 ? 0 : wrap(raw(a) << by); }
inline Whole shift_right(Whole a, Whole by) { return a >> (by < 0 || by > 63 ? 63 : by); }
// Exponentiation by squaring; a negative exponent gives 1, -1 or 0 as the exact power truncates.
Whole pow(Whole base, Whole exponent);

// The arithmetic operators as functions: integers need them for wrap-around, other types for a
// uniform spelling.
template <class T>
T add(const T& a, const T& b) {
  return a + b;
}
template <class T>
T sub(const T& a, const T& b) {
  return a - b;
}
template <class T>
T mul(const T& a, const T& b) {
  return a * b;
}
template <class T>
T div(const T& a, const T& b) {
  return a / b;
}
template <class T>
T neg(const T& a) {
  return -a;
}

}  // namespace lamina::num
