// Tags of formal values: infinities, poison, constants, bits, logarithms.
#include "num/formal.h"

#include <algorithm>
#include <cmath>

namespace lamina {
namespace {

using State = Formal::State;

// Longer sums of variables, and more exponentials, are not remembered.
constexpr std::size_t kMostTerms = 16;
constexpr std::size_t kMostExponents = 1 << 16;
// The memory is the number of an exponent, or of a monomial.
constexpr std::uint32_t kExponential = std::uint32_t{1} << 31;
constexpr std::uint32_t kMonomial = std::uint32_t{1} << 30;
constexpr std::uint32_t kKinds = kExponential | kMonomial;

// The fraction n/d with the smallest d <= 2^20 that rounds to `value`; d = 0 if there is none.
std::pair<std::int64_t, std::int64_t> small_fraction(double value) {
  std::int64_t n0 = 0, n1 = 1, d0 = 1, d1 = 0;
  double rest = value;
  for (int step = 0; step < 40; ++step) {
    const double whole = std::floor(rest);
    if (std::fabs(whole) > 1e15) break;
    const auto a = static_cast<std::int64_t>(whole);
    const double next_d =
        static_cast<double>(a) * static_cast<double>(d1) + static_cast<double>(d0);
    const double next_n =
        static_cast<double>(a) * static_cast<double>(n1) + static_cast<double>(n0);
    if (next_d > (1 << 20) || std::fabs(next_n) > 1e15) break;
    n0 = std::exchange(n1, a * n1 + n0);
    d0 = std::exchange(d1, a * d1 + d0);
    if (static_cast<double>(n1) / static_cast<double>(d1) == value) return {n1, d1};
    if (rest == whole) break;
    rest = 1.0 / (rest - whole);
  }
  return {0, 0};
}

// A finite double exactly: mantissa * 2^exponent.
Formal dyadic(const Algebra& algebra, double value) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  Formal result = algebra.integer(static_cast<std::int64_t>(std::ldexp(fraction, 53)));
  exponent -= 53;
  const Formal two = algebra.integer(2);
  for (int i = 0; i < std::abs(exponent); ++i) result = exponent > 0 ? result * two : result / two;
  return result;
}

const Algebra& algebra_of(const Formal& a, const Formal& b) {
  return a.algebra != nullptr ? *a.algebra : *b.algebra;
}

// What is remembered of a product: of a sum of variables times a known integer.
std::optional<std::uint32_t> memory_of_product(const Algebra& algebra, const Formal& a,
                                               const Formal& b) {
  if (a.memory == 0 && b.memory == 0) return 0;
  if (const auto times = algebra.known_integer(a)) {
    return algebra.memory_of_multiple(b.memory, *times);
  }
  const auto times = algebra.known_integer(b);
  return times ? algebra.memory_of_multiple(a.memory, *times) : std::nullopt;
}

bool poisoned(const Formal& a, const Formal& b) {
  return a.state == State::kPoison || b.state == State::kPoison;
}

}  // namespace

bool Formal::agrees(const Formal& other) const {
  if (state != other.state || state == State::kPoison) return false;
  return state != State::kFinite || algebra->certainly_equal(*this, other);
}

Formal Algebra::constant(double value) const {
  if (std::isnan(value)) return poison();
  if (std::isinf(value)) return infinity(value < 0);
  const auto [n, d] = small_fraction(value);
  if (d == 0) return dyadic(*this, value);
  return d == 1 ? integer(n) : integer(n) / integer(d);
}

Formal Algebra::poison() const {
  Formal x;
  x.algebra = this;
  x.state = State::kPoison;
  x.slot = Formal::Slot::kAbsent;
  return x;
}

Formal Algebra::infinity(bool negative) const {
  Formal x = poison();
  x.state = negative ? State::kMinusInfinity : State::kPlusInfinity;
  return x;
}

std::optional<std::uint32_t> Algebra::intern(Terms terms) const {
  if (terms.empty()) return 0;
  if (terms.size() > kMostTerms) return std::nullopt;
  const auto [at, added] =
      term_numbers_.try_emplace(terms, static_cast<std::uint32_t>(terms_.size()));
  if (added) terms_.push_back(std::move(terms));
  return at->second;
}

const Algebra::Terms& Algebra::terms_of(std::uint32_t memory) const {
  return terms_[(memory & kKinds) != 0 ? 0 : memory];
}

Formal Algebra::new_variable(Formal value) const {
  value.memory = *intern({{static_cast<std::uint32_t>(variables_.size()), 1}});
  variables_.push_back({value, std::nullopt});
  return value;
}

Formal Algebra::remember_log(const Formal& value, const Formal& argument) const {
  const Terms& terms = terms_of(value);
  if (terms.size() != 1) return value;  // a sum of other logarithms
  Variable& variable = variables_[terms[0].first];
  if (!variable.argument) variable.argument = argument;
  has_logs_ = true;
  return value;
}

Formal Algebra::remember_exponent(Formal result, const Formal& exponent) const {
  if (exponents_.size() == kMostExponents) return result;
  result.memory = kExponential | static_cast<std::uint32_t>(exponents_.size());
  exponents_.push_back(exponent);
  return result;
}

std::optional<Formal> Algebra::exponent_of(const Formal& x) const {
  if ((x.memory & kExponential) == 0) return std::nullopt;
  return exponents_[x.memory & ~kExponential];
}

std::pair<Formal, std::vector<Algebra::LogTerm>> Algebra::split_logs(const Formal& value) const {
  std::pair<Formal, std::vector<LogTerm>> parts{value, {}};
  if (!has_logs_) return parts;
  for (const auto& [number, coefficient] : terms_of(value)) {
    const Variable variable = variables_[number];
    if (!variable.argument) continue;
    parts.first = parts.first - integer(coefficient) * variable.value;
    parts.second.push_back({*variable.argument, coefficient});
  }
  return parts;
}

Formal Algebra::positive(const Formal& root) const {
  const auto number = static_cast<std::uint32_t>(roots_.size());
  roots_.push_back(forget(root));
  Formal x = value_of({integer(1), {{number, kRootOrder}}});
  x.memory = kMonomial | static_cast<std::uint32_t>(monomials_.size());
  monomials_.push_back({integer(1), {{number, kRootOrder}}});
  return x;
}

std::optional<Algebra::Monomial> Algebra::monomial_of(const Formal& x) const {
  if (!x.finite()) return std::nullopt;
  if (x.constant) return Monomial{x, {}};
  if ((x.memory & kKinds) != kMonomial) return std::nullopt;
  return monomials_[x.memory & ~kKinds];
}

Formal Algebra::value_of(const Monomial& monomial) const {
  Formal value = monomial.coefficient;
  for (const auto& [number, exponent] : monomial.powers) {
    // One by one, so that the divisors of a bound stay the roots themselves.
    for (std::int64_t i = 0; i < -exponent; ++i) value = value / roots_[number];
    Formal power = roots_[number];
    for (std::int64_t left = std::max<std::int64_t>(exponent, 0); left > 0; left >>= 1) {
      if ((left & 1) != 0) value = value * power;
      if (left > 1) power = power * power;
    }
  }
  return value;
}

// Remembers `value`, which is a * b.
Formal Algebra::product(const Formal& value, const Monomial& a, const Monomial& b) const {
  std::map<std::uint32_t, std::int64_t> powers(a.powers.begin(), a.powers.end());
  for (const auto& [number, exponent] : b.powers) powers[number] += exponent;
  Monomial monomial{a.coefficient * b.coefficient, {}};
  for (const auto& [number, exponent] : powers) {
    if (exponent != 0) monomial.powers.emplace_back(number, exponent);
  }
  if (monomial.powers.size() > kMostTerms || monomials_.size() == kMostExponents) return value;
  Formal remembered = value;
  remembered.memory = kMonomial | static_cast<std::uint32_t>(monomials_.size());
  monomials_.push_back(std::move(monomial));
  return remembered;
}

bool Algebra::certainly_positive(const Formal& x) const {
  constexpr std::int64_t kDenominators = 64;
  if (exponent_of(x)) return true;
  const auto monomial = monomial_of(x);
  if (!monomial) return false;
  for (std::int64_t d = 1; d <= kDenominators; ++d) {
    const auto whole = known_integer(monomial->coefficient * integer(d));
    if (whole) return *whole > 0;
  }
  return false;
}

Formal Algebra::without_terms(const Formal& value) const {
  Formal rest = value;
  for (const auto& [number, coefficient] : terms_of(value)) {
    rest = add(rest, negate(multiply(integer(coefficient), variables_[number].value)));
  }
  return rest;
}

Formal Algebra::forget(Formal value) const {
  value.memory = 0;
  return value;
}

std::optional<std::uint32_t> Algebra::memory_of_sum(std::uint32_t a, std::uint32_t b) const {
  if ((a & kKinds) != 0) a = 0;
  if ((b & kKinds) != 0) b = 0;
  if (a == 0 || b == 0) return a + b;
  std::map<std::uint32_t, std::int64_t> sum(terms_[a].begin(), terms_[a].end());
  for (const auto& [variable, coefficient] : terms_[b]) sum[variable] += coefficient;
  Terms terms;
  for (const auto& [variable, coefficient] : sum) {
    if (coefficient != 0) terms.emplace_back(variable, coefficient);
  }
  return intern(std::move(terms));
}

std::optional<std::uint32_t> Algebra::memory_of_multiple(std::uint32_t memory,
                                                         std::int64_t factor) const {
  constexpr std::int64_t kLargest = 64;
  if (factor == 0) return 0;
  Terms scaled = terms_of(memory);
  for (auto& [variable, coefficient] : scaled) {
    // A sum may be long already; its negative is remembered like itself.
    if (std::abs(factor) > 1 && std::abs(coefficient) > kLargest / std::abs(factor)) {
      return std::nullopt;
    }
    coefficient *= factor;
  }
  return intern(std::move(scaled));
}

void Algebra::dots(const Strided<Formal>& a, const Strided<Formal>& b, std::int64_t n,
                   std::span<Formal> totals) const {
  for (std::int64_t k = 0; k < n; ++k) {
    const Formal* x = a.at + k * a.step;
    const Formal* y = b.at + k * b.step;
    for (Formal& total : totals) {
      total = total + *x * *y;
      x += a.next;
      y += b.next;
    }
  }
}

bool Algebra::products(const Panel<Formal>&, const Panel<Formal>&, std::span<Formal>) const {
  return false;
}

Formal operator+(const Formal& a, const Formal& b) {
  const Algebra& algebra = algebra_of(a, b);
  if (poisoned(a, b)) return algebra.poison();
  if (!a.finite() || !b.finite()) {
    if (!a.finite() && !b.finite() && a.state != b.state) return algebra.poison();
    return a.finite() ? b : a;
  }
  const auto memory = algebra.memory_of_sum(a.memory, b.memory);
  Formal sum = memory ? algebra.add(a, b) : algebra.add(algebra.forget(a), algebra.forget(b));
  sum.constant = a.constant && b.constant;
  sum.memory = memory.value_or(0);
  return sum;
}

Formal operator-(const Formal& x) {
  if (x.state == State::kMinusInfinity) return x.algebra->infinity(false);
  if (x.state == State::kPlusInfinity) return x.algebra->infinity(true);
  if (!x.finite()) return x;
  Formal negative = x.algebra->negate(x);
  negative.constant = x.constant;
  negative.memory = *x.algebra->memory_of_multiple(x.memory, -1);
  return negative;
}

Formal operator-(const Formal& a, const Formal& b) {
  Formal difference = a + (-b);
  difference.bit = b.bit && a.constant && a.algebra->known_integer(a) == 1;  // logical not
  return difference;
}

Formal operator*(const Formal& a, const Formal& b) {
  const Algebra& algebra = algebra_of(a, b);
  // The sign of a formal value is unknown, so infinity times anything is unknown too.
  if (!a.finite() || !b.finite()) return algebra.poison();
  const auto memory = memory_of_product(algebra, a, b);
  Formal product =
      memory ? algebra.multiply(a, b) : algebra.multiply(algebra.forget(a), algebra.forget(b));
  product.constant = a.constant && b.constant;
  product.bit = a.bit && b.bit;
  product.memory = memory.value_or(0);
  if (product.constant || product.memory != 0) return product;
  const auto x = algebra.exponent_of(a);
  const auto y = algebra.exponent_of(b);
  if (x && y) return algebra.remember_exponent(product, *x + *y);
  const auto u = algebra.monomial_of(a);
  const auto v = algebra.monomial_of(b);
  return u && v ? algebra.product(product, *u, *v) : product;
}

Formal operator/(const Formal& a, const Formal& b) {
  const Algebra& algebra = algebra_of(a, b);
  if (!a.finite() || !b.finite()) return algebra.poison();
  Formal quotient = algebra.divide(algebra.forget(a), algebra.forget(b));
  quotient.constant = a.constant && b.constant && quotient.finite();
  if (quotient.constant || !quotient.finite()) return quotient;
  const auto u = algebra.monomial_of(a);
  auto v = algebra.monomial_of(b);
  if (!u || !v) return quotient;
  v->coefficient = algebra.integer(1) / v->coefficient;
  for (auto& [number, exponent] : v->powers) exponent = -exponent;
  return algebra.product(quotient, *u, *v);
}

Formal like(const Formal& x, double c) { return x.algebra->constant(c); }

}  // namespace lamina
