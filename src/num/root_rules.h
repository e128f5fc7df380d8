// Functions that are rational in roots and logarithms, over an algebra with
// root(order, x) and log(x): RootField, and the bounds of its values.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "num/formal.h"
#include "num/root_tape.h"

namespace lamina {

inline Formal rational(const Algebra& algebra, const SmallRational& value) {
  const Formal numerator = algebra.integer(value.numerator);
  return value.denominator == 1 ? numerator : numerator / algebra.integer(value.denominator);
}

inline Formal integer_power(const Algebra& algebra, const Formal& base, std::int64_t exponent) {
  Formal result = algebra.integer(1);
  for (std::int64_t i = 0; i < std::abs(exponent); ++i) {
    result = exponent < 0 ? result / base : result * base;
  }
  return result;
}

inline Formal root_of_step(const Algebra& algebra, const RootTape::Step& step,
                           const std::vector<Formal>& generators) {
  Formal result = rational(algebra, step.factor);
  for (const auto& [number, exponent] : step.parts) {
    result = result * integer_power(algebra, generators[number], exponent);
  }
  return result;
}

inline Formal log_of_step(const Algebra& algebra, const RootTape::Step& step,
                          const std::vector<Formal>& logs, const std::vector<Formal>& arguments) {
  Formal result = algebra.integer(0);
  for (const auto& [number, coefficient] : step.parts) {
    result = result + algebra.integer(coefficient) * logs[number];
  }
  for (const auto& [number, coefficient] : step.exponents) {
    result = result + algebra.integer(coefficient) * arguments[number];
  }
  return result;
}

// base^(n/d) of a positive base, d = 2^i 3^j.
template <class Roots>
Formal rational_power(const Roots& algebra, Formal base, const SmallRational& exponent) {
  for (std::int64_t d = exponent.denominator; d > 1;) {
    const int order = d % 2 == 0 ? 2 : 3;
    base = algebra.root(order, base);
    d /= order;
  }
  return integer_power(algebra, base, exponent.numerator);
}

// max(a, b) = (a + b + |a - b|) / 2, and |x| is the root of x^2.
template <class Roots>
Formal greatest_by_roots(const Roots& algebra, std::span<const Formal> operands) {
  Formal most = operands[0];
  for (std::size_t i = 1; i < operands.size(); ++i) {
    const Formal difference = most - operands[i];
    const Formal distance = algebra.root(2, difference * difference);
    most = (most + operands[i] + distance) / algebra.integer(2);
  }
  most.constant = false;
  return most;
}

// nullopt for other functions.
template <class Roots>
std::optional<Formal> function_by_roots(const Roots& algebra, std::string_view name,
                                        std::span<const Formal> operands) {
  if (operands.size() != 1 || !operands[0].finite()) return std::nullopt;
  const Formal& x = operands[0];
  const Formal one = algebra.integer(1);
  if (name == "sqrt") return algebra.root(2, x);
  if (name == "cbrt") return algebra.root(3, x);
  if (name == "log") return algebra.log(x);
  if (name == "asinh") return algebra.log(x + algebra.root(2, x * x + one));
  if (name == "acosh") return algebra.log(x + algebra.root(2, x * x - one));
  if (name == "atanh") return algebra.log((one + x) / (one - x)) / algebra.integer(2);
  for (const std::int64_t order : {2, 3, 4, 6, 12}) {
    if (name == "root " + std::to_string(order)) return rational_power(algebra, x, {1, order});
  }
  return std::nullopt;
}

}  // namespace lamina
