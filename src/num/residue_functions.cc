// Functions of residues: exact through the exponential where one exists, else fresh values that
// obey the function's symmetries (docs/design/verify.md, "Abstraction").
#include <cmath>
#include <utility>

#include "num/residue.h"

namespace lamina {
namespace {

using State = Residue::State;
using Slot = Residue::Slot;

Residue one(const Residue& x) { return x.field->integer(1); }

// A fresh value of a finite operand. Infinite operands have no value here.
Residue unary(std::string_view name, const Residue& x) {
  return x.finite() ? x.field->fresh(name, {&x, 1}) : x.field->poison();
}

bool in_upper_half(const Residue& x) { return x.p > x.field->p() / 2; }

// f(-x) = -f(x): one of x and -x is the key of both. f(0) = 0.
Residue odd(std::string_view name, const Residue& x) {
  if (!x.finite()) return x.field->poison();
  if (x.constant && x.p == 0 && x.has_q() && x.q == 0) return x;
  return in_upper_half(x) ? -unary(name, -x) : unary(name, x);
}

// f(-x) = f(x).
Residue even(std::string_view name, const Residue& x) {
  if (!x.finite()) return x.field->poison();
  return in_upper_half(x) ? unary(name, -x) : unary(name, x);
}

// A function that maps known integers by `exact` and infinities to `at_infinity` of their sign.
template <class Exact>
std::optional<Residue> known(const Residue& x, Exact exact) {
  const auto value = x.field->known_integer(x);
  if (!value) return std::nullopt;
  return x.field->integer(exact(*value));
}

bool certainly_equal(const Residue& a, const Residue& b) { return a.agrees(b); }

const ResidueField& field_of(const Residue& a, const Residue& b) {
  return a.field != nullptr ? *a.field : *b.field;
}

bool poisoned(const Residue& a, const Residue& b) {
  return a.state == State::kPoison || b.state == State::kPoison;
}

// Both operands as integers, if both are known.
std::optional<std::pair<std::int64_t, std::int64_t>> known_pair(const Residue& a,
                                                                const Residue& b) {
  const ResidueField& f = field_of(a, b);
  const auto x = f.known_integer(a);
  const auto y = f.known_integer(b);
  if (!x || !y) return std::nullopt;
  return std::pair(*x, *y);
}

Residue power(Residue x, std::uint64_t exponent) {
  Residue result = one(x);
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = result * x;
    x = x * x;
  }
  return result;
}

Residue as_bit(Residue x) {
  x.bit = x.finite();
  return x;
}

// Rounding functions keep infinities and known integers.
template <class Otherwise>
Residue rounded(const Residue& x, Otherwise otherwise) {
  if (!x.finite() || x.field->known_integer(x)) return x;
  return otherwise();
}

}  // namespace

Residue exp(const Residue& x) {
  const ResidueField& f = *x.field;
  if (x.state == State::kMinusInfinity) return f.integer(0);
  if (x.state == State::kPlusInfinity) return x;
  if (!x.finite() || x.slot == Slot::kVoid) return f.poison();
  if (x.slot == Slot::kAbsent) {
    // An exponential of an exponential: outside the fragment, only exp(-x) = 1 / exp(x) is kept.
    return in_upper_half(x) ? one(x) / unary("exp", -x) : unary("exp", x);
  }
  if (x.constant && x.p == 0 && x.q == 0) return f.integer(1);
  return f.finite(f.exp_of(x.q), 0, Slot::kAbsent);
}

Residue max(const Residue& a, const Residue& b) {
  const ResidueField& f = field_of(a, b);
  if (poisoned(a, b)) return f.poison();
  if (a.state == State::kMinusInfinity || b.state == State::kPlusInfinity) return b;
  if (b.state == State::kMinusInfinity || a.state == State::kPlusInfinity) return a;
  if (const auto pair = known_pair(a, b)) return pair->first > pair->second ? a : b;
  if (a.bit && b.bit) return as_bit(a + b - a * b);
  return f.greatest(a, b);
}

Residue min(const Residue& a, const Residue& b) {
  if (a.bit && b.bit) return a * b;
  return -max(-a, -b);
}

// max(x, -x), so that |x| and |-x| share a key.
Residue abs(const Residue& x) { return max(x, -x); }

Residue select(const Residue& c, const Residue& a, const Residue& b) {
  const ResidueField& f = *c.field;
  if (!c.finite()) return f.poison();
  // A condition that is known (a mask of concrete integers) decides.
  if (const auto value = f.known_integer(c)) return *value != 0 ? a : b;
  if (certainly_equal(a, b)) return a.has_q() ? a : b;
  const Residue chosen = c.bit ? c : one(c) - equal(c, f.integer(0));
  if (poisoned(a, b)) return f.poison();
  if (!a.finite() || !b.finite()) {
    const Residue operands[] = {chosen, a, b};
    return f.fresh("select", operands);
  }
  Residue result = chosen * a + (one(c) - chosen) * b;
  result.bit = a.bit && b.bit;
  return result;
}

Residue less(const Residue& a, const Residue& b) {
  const ResidueField& f = field_of(a, b);
  if (poisoned(a, b)) return f.poison();
  if (certainly_equal(a, b)) return f.integer(0);
  if (a.state == State::kMinusInfinity || b.state == State::kPlusInfinity) return f.integer(1);
  if (b.state == State::kMinusInfinity || a.state == State::kPlusInfinity) return f.integer(0);
  if (const auto pair = known_pair(a, b)) return f.integer(pair->first < pair->second);
  return as_bit(unary("less", a - b));
}

Residue equal(const Residue& a, const Residue& b) {
  const ResidueField& f = field_of(a, b);
  if (poisoned(a, b)) return f.poison();
  if (certainly_equal(a, b)) return f.integer(1);
  if (!a.finite() || !b.finite() || (a.constant && b.constant)) return f.integer(0);
  for (const auto& [x, y] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if (!x->bit || !y->constant) continue;
    const auto value = f.known_integer(*y);
    if (value == 0) return one(a) - *x;
    if (value == 1) return *x;
  }
  return as_bit(even("equal", a - b));
}

Residue pow(const Residue& x, const Residue& y) {
  const ResidueField& f = field_of(x, y);
  if (poisoned(x, y)) return f.poison();
  constexpr std::int64_t kLargest = 64;
  // Small integer and half-integer exponents are products, quotients and roots.
  const auto twice = f.known_integer(y + y);
  if (twice && std::abs(*twice) <= 2 * kLargest) {
    const auto halves = static_cast<std::uint64_t>(std::abs(*twice));
    const Residue whole = power(x, halves / 2);
    const Residue result = halves % 2 == 0 ? whole : whole * sqrt(x);
    return *twice < 0 ? one(y) / result : result;
  }
  if (!x.finite() || !y.finite()) return f.poison();
  const Residue operands[] = {x, y};
  return f.fresh("pow", operands);
}

// Exact forms through the exponential (identity.md, operators).
Residue sigmoid(const Residue& x) {
  if (x.state == State::kMinusInfinity) return x.field->integer(0);
  if (x.state == State::kPlusInfinity) return x.field->integer(1);
  return one(x) / (one(x) + exp(-x));
}
Residue tanh(const Residue& x) {
  if (x.state == State::kMinusInfinity) return x.field->integer(-1);
  if (x.state == State::kPlusInfinity) return x.field->integer(1);
  const Residue e = exp(x + x);
  return (e - one(x)) / (e + one(x));
}
Residue sinh(const Residue& x) { return (exp(x) - exp(-x)) / x.field->integer(2); }
Residue cosh(const Residue& x) { return (exp(x) + exp(-x)) / x.field->integer(2); }
Residue softplus(const Residue& x) { return log(one(x) + exp(x)); }

Residue sign(const Residue& x) {
  if (x.state == State::kMinusInfinity) return x.field->integer(-1);
  if (x.state == State::kPlusInfinity) return x.field->integer(1);
  const auto exact = known(x, [](std::int64_t v) { return std::int64_t((v > 0) - (v < 0)); });
  return exact ? *exact : odd("sign", x);
}

Residue log(const Residue& x) {
  if (x.state == State::kPlusInfinity) return x;
  const auto value = x.field->known_integer(x);
  if (value == 1) return x.field->integer(0);
  if (value == 0) return x.field->infinity(true);
  if (value && *value < 0) return x.field->poison();
  return unary("log", x);
}

Residue sqrt(const Residue& x) {
  if (x.state == State::kPlusInfinity) return x;
  if (const auto value = x.field->known_integer(x)) {
    if (*value < 0) return x.field->poison();
    const auto root = static_cast<std::int64_t>(std::sqrt(static_cast<double>(*value)));
    if (root * root == *value) return x.field->integer(root);
  }
  return unary("sqrt", x);
}

Residue erf(const Residue& x) {
  if (x.state == State::kMinusInfinity) return x.field->integer(-1);
  if (x.state == State::kPlusInfinity) return x.field->integer(1);
  return odd("erf", x);
}

Residue sin(const Residue& x) { return odd("sin", x); }
Residue cos(const Residue& x) {
  if (x.field->known_integer(x) == 0) return one(x);
  return even("cos", x);
}
Residue tan(const Residue& x) { return sin(x) / cos(x); }
Residue asin(const Residue& x) { return odd("asin", x); }
Residue acos(const Residue& x) { return unary("acos", x); }
Residue atan(const Residue& x) { return odd("atan", x); }
Residue asinh(const Residue& x) { return odd("asinh", x); }
Residue acosh(const Residue& x) { return unary("acosh", x); }
Residue atanh(const Residue& x) { return odd("atanh", x); }

Residue floor(const Residue& x) {
  return rounded(x, [&] { return unary("floor", x); });
}
Residue ceil(const Residue& x) { return -floor(-x); }
Residue round(const Residue& x) {
  return rounded(x, [&] { return odd("round", x); });
}
Residue trunc(const Residue& x) {
  return rounded(x, [&] { return odd("trunc", x); });
}

Residue is_nan(const Residue& x) { return x.state == State::kPoison ? x : x.field->integer(0); }
Residue is_inf(const Residue& x) {
  return x.state == State::kPoison ? x : x.field->integer(x.finite() ? 0 : 1);
}

Residue mod(const Residue& a, const Residue& b) {
  const auto pair = known_pair(a, b);
  if (pair && pair->second != 0) {
    const std::int64_t r = pair->first % pair->second;
    const bool adjust = r != 0 && (r < 0) != (pair->second < 0);
    return field_of(a, b).integer(adjust ? r + pair->second : r);
  }
  return a - b * floor(a / b);
}

Residue fmod(const Residue& a, const Residue& b) {
  const auto pair = known_pair(a, b);
  if (pair && pair->second != 0) return field_of(a, b).integer(pair->first % pair->second);
  return a - b * trunc(a / b);
}

}  // namespace lamina
