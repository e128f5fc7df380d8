// Functions of formal values: exact through the exponential where one exists, else fresh values
// that obey the function's symmetries (docs/design/verify.md, "Abstraction").
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "num/formal_cbrt.h"

namespace lamina {
namespace {

using State = Formal::State;
using Slot = Formal::Slot;

Formal one(const Formal& x) { return x.algebra->integer(1); }
bool is_zero(const Formal& x) { return x.constant && x.algebra->known_integer(x) == 0; }

// A fresh value of a finite operand. Infinite operands have no value here.
Formal unary(std::string_view name, const Formal& x) {
  return x.finite() ? x.algebra->fresh(name, {&x, 1}) : x.algebra->poison();
}

// f(-x) = -f(x): one of x and -x is the key of both. f(0) = 0.
Formal odd(std::string_view name, const Formal& x) {
  if (!x.finite()) return x.algebra->poison();
  if (is_zero(x)) return x;
  return !x.algebra->leads(x) ? -unary(name, -x) : unary(name, x);
}

// f(-x) = f(x).
Formal even(std::string_view name, const Formal& x) {
  if (!x.finite()) return x.algebra->poison();
  return !x.algebra->leads(x) ? unary(name, -x) : unary(name, x);
}

// A function that maps known integers by `exact` and infinities to `at_infinity` of their sign.
template <class Exact>
std::optional<Formal> known(const Formal& x, Exact exact) {
  const auto value = x.algebra->known_integer(x);
  if (!value) return std::nullopt;
  return x.algebra->integer(exact(*value));
}

const Algebra& algebra_of(const Formal& a, const Formal& b) {
  return a.algebra != nullptr ? *a.algebra : *b.algebra;
}

bool poisoned(const Formal& a, const Formal& b) {
  return a.state == State::kPoison || b.state == State::kPoison;
}

// Both operands as integers, if both are known.
std::optional<std::pair<std::int64_t, std::int64_t>> known_pair(const Formal& a, const Formal& b) {
  const Algebra& f = algebra_of(a, b);
  const auto x = f.known_integer(a);
  const auto y = f.known_integer(b);
  if (!x || !y) return std::nullopt;
  return std::pair(*x, *y);
}

Formal power(Formal x, std::uint64_t exponent) {
  Formal result = one(x);
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = result * x;
    x = x * x;
  }
  return result;
}

// The truth value of a comparison of operands that agree. Only where they agree in every algebra
// does it decide anything else.
Formal settled(const Formal& a, const Formal& b, bool truth) {
  Formal result = algebra_of(a, b).integer(truth ? 1 : 0);
  result.constant = !a.finite() || (a.constant && b.constant);
  return result;
}

// The value of two that agree, with what is known of both of them.
Formal common(const Formal& a, const Formal& b) {
  if (!a.finite() || (a.constant && b.constant)) return a;
  Formal same = a.algebra->forget(a.slot > b.slot ? a : b);
  same.constant = false;
  same.bit = a.bit && b.bit;
  return same;
}

Formal as_bit(Formal x) {
  x.bit = x.finite();
  return x;
}

// Rounding functions keep infinities and known integers.
template <class Otherwise>
Formal rounded(const Formal& x, Otherwise otherwise) {
  if (!x.finite() || x.algebra->known_integer(x)) return x;
  return otherwise();
}

}  // namespace

Formal exp(const Formal& x) {
  const Algebra& f = *x.algebra;
  if (x.state == State::kMinusInfinity) return f.integer(0);
  if (x.state == State::kPlusInfinity) return x;
  if (!x.finite() || x.slot == Slot::kVoid) return f.poison();
  const auto [rest, logs] = f.split_logs(x);
  if (!logs.empty()) {
    Formal result = exp(rest);
    for (const auto& [argument, n] : logs) {
      const Formal factor = power(argument, static_cast<std::uint64_t>(std::abs(n)));
      result = n < 0 ? result / factor : result * factor;
    }
    return result;
  }
  if (x.slot == Slot::kAbsent) {
    // An exponential of an exponential: outside the fragment, only exp(-x) = 1 / exp(x) is kept.
    return f.leads(x) ? unary("exp", x) : one(x) / unary("exp", -x);
  }
  if (is_zero(x)) return f.integer(1);
  return f.remember_exponent(f.exponential(x, false), x);
}

Formal greatest(const Algebra& f, std::span<const Formal> values) {
  std::vector<Formal> finite;
  std::optional<Formal> known;
  bool unbounded = false;
  for (const Formal& x : values) {
    if (x.state == State::kPoison) return x;
    unbounded |= x.state == State::kPlusInfinity;
    if (!x.finite()) continue;
    const auto value = f.known_integer(x);
    if (!value) {
      finite.push_back(x);
    } else if (!known || *value > *f.known_integer(*known)) {
      known = x;
    }
  }
  if (unbounded) return f.infinity(false);
  // Positive values are above 0.
  const bool idle = known && *f.known_integer(*known) <= 0 &&
                    std::any_of(finite.begin(), finite.end(),
                                [&](const Formal& x) { return f.certainly_positive(x); });
  if (known && !idle) finite.push_back(*known);
  if (finite.empty()) return f.infinity(true);
  if (finite.size() == 1) return finite[0];
  if (!std::all_of(finite.begin(), finite.end(), [](const Formal& x) { return x.bit; })) {
    return f.greatest(finite);
  }
  Formal any = finite[0];
  for (std::size_t i = 1; i < finite.size(); ++i) any = as_bit(any + finite[i] - any * finite[i]);
  return any;
}

Formal max(const Formal& a, const Formal& b) {
  const Formal both[] = {a, b};
  return greatest(algebra_of(a, b), both);
}

Formal min(const Formal& a, const Formal& b) {
  if (a.bit && b.bit) return a * b;
  return -max(-a, -b);
}

// max(x, -x), so that |x| and |-x| share a key.
Formal abs(const Formal& x) { return x.algebra->certainly_positive(x) ? x : max(x, -x); }

Formal select(const Formal& c, const Formal& a, const Formal& b) {
  const Algebra& f = *c.algebra;
  if (!c.finite()) return f.poison();
  // A condition that is known (a mask of concrete integers) decides.
  if (const auto value = f.known_integer(c)) return *value != 0 ? a : b;
  if (a.agrees(b)) return common(a, b);
  const Formal chosen = c.bit ? c : one(c) - equal(c, f.integer(0));
  if (poisoned(a, b)) return f.poison();
  if (!a.finite() || !b.finite()) {
    const Formal operands[] = {chosen, a, b};
    return f.fresh("select", operands);
  }
  Formal result = chosen * a + (one(c) - chosen) * b;
  result.bit = a.bit && b.bit;
  return result;
}

Formal less(const Formal& a, const Formal& b) {
  const Algebra& f = algebra_of(a, b);
  if (poisoned(a, b)) return f.poison();
  if (a.agrees(b)) return settled(a, b, false);
  if (a.state == State::kMinusInfinity || b.state == State::kPlusInfinity) return f.integer(1);
  if (b.state == State::kMinusInfinity || a.state == State::kPlusInfinity) return f.integer(0);
  if (const auto pair = known_pair(a, b)) return f.integer(pair->first < pair->second);
  // a < b, b < a and a = b exclude each other.
  const Formal difference = a - b;
  if (difference.algebra->leads(difference)) return as_bit(unary("less", difference));
  return as_bit(one(a) - unary("less", -difference) - even("equal", difference));
}

Formal equal(const Formal& a, const Formal& b) {
  const Algebra& f = algebra_of(a, b);
  if (poisoned(a, b)) return f.poison();
  if (a.agrees(b)) return settled(a, b, true);
  if (!a.finite() || !b.finite() || (a.constant && b.constant)) return f.integer(0);
  for (const auto& [x, y] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if (!x->bit || !y->constant) continue;
    const auto value = f.known_integer(*y);
    if (value == 0) return one(a) - *x;
    if (value == 1) return *x;
  }
  return as_bit(even("equal", a - b));
}

namespace {

// The root of order `order` of a constant, to the power n: known where it is an integer.
Formal root_of_constant(const Formal& c, std::int64_t order, std::int64_t n) {
  const Algebra& f = *c.algebra;
  Formal root = c;
  const auto value = f.known_integer(c);
  const auto whole = value ? std::llround(std::pow(static_cast<double>(std::abs(*value)),
                                                   1.0 / static_cast<double>(order)))
                           : 0;
  if (value && *value > 0 &&
      f.known_integer(power(f.integer(whole), static_cast<std::uint64_t>(order))) == *value) {
    root = f.integer(whole);
  } else {
    root = unary("root " + std::to_string(order), c);
  }
  const Formal result = power(root, static_cast<std::uint64_t>(std::abs(n)));
  return n < 0 ? one(c) / result : result;
}

// x^(n / order) where x is a product of positive variables all of whose powers divide, or an
// exponential.
std::optional<Formal> exact_power(const Formal& x, std::int64_t n, std::int64_t order) {
  const Algebra& f = *x.algebra;
  if (const auto exponent = f.exponent_of(x)) {
    return exp(*exponent * f.integer(n) / f.integer(order));
  }
  auto monomial = x.constant ? std::nullopt : f.monomial_of(x);
  if (!monomial || !f.certainly_positive(x)) return std::nullopt;
  for (auto& [number, exponent] : monomial->powers) {
    if (exponent * n % order != 0) return std::nullopt;
    exponent = exponent * n / order;
  }
  monomial->coefficient = root_of_constant(monomial->coefficient, order, n);
  const Formal coefficient = monomial->coefficient;
  const Formal value = f.value_of(*monomial);
  return coefficient.constant ? f.product(f.forget(value), *monomial, {one(x), {}}) : value;
}

}  // namespace

Formal pow(const Formal& x, const Formal& y) {
  const Algebra& f = algebra_of(x, y);
  if (poisoned(x, y)) return f.poison();
  constexpr std::int64_t kLargest = 64;
  // Small integer exponents are products; halves and the like may be known roots.
  for (const std::int64_t order : {1, 2, 3, 4, 6, 12}) {
    const auto n = f.known_integer(y * f.integer(order));
    if (!n || std::abs(*n) > 2 * kLargest) continue;
    if (const auto exact = order == 1 ? std::nullopt : exact_power(x, *n, order)) return *exact;
    if (order > 2) break;
    const auto count = static_cast<std::uint64_t>(std::abs(*n));
    const Formal whole = power(x, count / static_cast<std::uint64_t>(order));
    const Formal result = order == 1 ? whole : whole * sqrt(x);
    return *n < 0 ? one(y) / result : result;
  }
  if (!x.finite() || !y.finite()) return f.poison();
  return exp(y * log(x));
}

// Exact forms through the exponential (identity.md, operators).
Formal sigmoid(const Formal& x) {
  if (x.state == State::kMinusInfinity) return x.algebra->integer(0);
  if (x.state == State::kPlusInfinity) return x.algebra->integer(1);
  return one(x) / (one(x) + exp(-x));
}
Formal tanh(const Formal& x) {
  if (x.state == State::kMinusInfinity) return x.algebra->integer(-1);
  if (x.state == State::kPlusInfinity) return x.algebra->integer(1);
  const Formal e = exp(x + x);
  return (e - one(x)) / (e + one(x));
}
Formal sinh(const Formal& x) { return (exp(x) - exp(-x)) / x.algebra->integer(2); }
Formal cosh(const Formal& x) { return (exp(x) + exp(-x)) / x.algebra->integer(2); }
Formal softplus(const Formal& x) { return log(one(x) + exp(x)); }

Formal sign(const Formal& x) {
  if (x.algebra->certainly_positive(x)) return one(x);
  if (x.state == State::kMinusInfinity) return x.algebra->integer(-1);
  if (x.state == State::kPlusInfinity) return x.algebra->integer(1);
  const auto exact = known(x, [](std::int64_t v) { return std::int64_t((v > 0) - (v < 0)); });
  return exact ? *exact : odd("sign", x);
}

Formal log(const Formal& x) {
  if (x.state == State::kPlusInfinity) return x;
  const auto value = x.algebra->known_integer(x);
  if (value == 1) return x.algebra->integer(0);
  if (value == 0) return x.algebra->infinity(true);
  if (value && *value < 0) return x.algebra->poison();
  if (const auto exponent = x.algebra->exponent_of(x)) return *exponent;
  const auto monomial = x.constant ? std::nullopt : x.algebra->monomial_of(x);
  if (monomial && x.algebra->certainly_positive(x)) {
    Formal sum = log(monomial->coefficient);
    for (const auto& [number, exponent] : monomial->powers) {
      const Formal& root = x.algebra->root(number);
      sum = sum + x.algebra->integer(exponent) * x.algebra->remember_log(unary("log", root), root);
    }
    return sum;
  }
  const Formal result = unary("log", x);
  return result.finite() ? x.algebra->remember_log(result, x) : result;
}

Formal sqrt(const Formal& x) {
  if (x.state == State::kPlusInfinity) return x;
  if (const auto value = x.algebra->known_integer(x)) {
    if (*value < 0) return x.algebra->poison();
    const auto root = static_cast<std::int64_t>(std::sqrt(static_cast<double>(*value)));
    if (root * root == *value) return x.algebra->integer(root);
  }
  if (const auto exact = exact_power(x, 1, 2)) return *exact;
  return unary("sqrt", x);
}

Formal cbrt(const Formal& x) {
  if (const auto value = x.algebra->known_integer(x)) {
    const auto root = std::llround(std::cbrt(static_cast<double>(*value)));
    if (root * root * root == *value) return x.algebra->integer(root);
  }
  if (const auto exact = x.finite() ? exact_power(x, 1, 3) : std::nullopt) return *exact;
  return odd("cbrt", x);
}

Formal erf(const Formal& x) {
  if (x.state == State::kMinusInfinity) return x.algebra->integer(-1);
  if (x.state == State::kPlusInfinity) return x.algebra->integer(1);
  return odd("erf", x);
}

// By the exponentials of ix and -ix where the algebra has an imaginary unit.
Formal sin(const Formal& x) {
  const auto i = x.algebra->imaginary();
  if (!i || !x.finite() || x.slot != Slot::kKnown || is_zero(x)) return odd("sin", x);
  return (x.algebra->exponential(-x, true) - x.algebra->exponential(x, true)) * *i /
         x.algebra->integer(2);
}
Formal cos(const Formal& x) {
  const auto i = x.algebra->imaginary();
  if (is_zero(x)) return one(x);
  if (!i || !x.finite() || x.slot != Slot::kKnown) return even("cos", x);
  return (x.algebra->exponential(x, true) + x.algebra->exponential(-x, true)) /
         x.algebra->integer(2);
}
Formal tan(const Formal& x) { return sin(x) / cos(x); }
Formal asin(const Formal& x) { return odd("asin", x); }
Formal acos(const Formal& x) { return unary("acos", x); }
Formal atan(const Formal& x) { return odd("atan", x); }
Formal asinh(const Formal& x) { return odd("asinh", x); }
Formal acosh(const Formal& x) { return unary("acosh", x); }
Formal atanh(const Formal& x) { return odd("atanh", x); }

Formal floor(const Formal& x) {
  return rounded(x, [&] { return unary("floor", x); });
}
Formal ceil(const Formal& x) { return -floor(-x); }
Formal round(const Formal& x) {
  return rounded(x, [&] { return odd("round", x); });
}
Formal trunc(const Formal& x) {
  return rounded(x, [&] { return odd("trunc", x); });
}

Formal is_nan(const Formal& x) { return x.state == State::kPoison ? x : x.algebra->integer(0); }
Formal is_inf(const Formal& x) {
  return x.state == State::kPoison ? x : x.algebra->integer(x.finite() ? 0 : 1);
}

Formal mod(const Formal& a, const Formal& b) {
  const auto pair = known_pair(a, b);
  if (pair && pair->second != 0) {
    const std::int64_t r = pair->first % pair->second;
    const bool adjust = r != 0 && (r < 0) != (pair->second < 0);
    return algebra_of(a, b).integer(adjust ? r + pair->second : r);
  }
  return a - b * floor(a / b);
}

Formal fmod(const Formal& a, const Formal& b) {
  const auto pair = known_pair(a, b);
  if (pair && pair->second != 0) return algebra_of(a, b).integer(pair->first % pair->second);
  return a - b * trunc(a / b);
}

}  // namespace lamina
