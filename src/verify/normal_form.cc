// Arithmetic of exact sums, with a budget.
#include "verify/normal_form.h"

#include <algorithm>

namespace lamina {
namespace {

constexpr std::uint32_t kMostPower = 1 << 16;
constexpr std::size_t kMostExponents = 256;

// The product of two power products, and -1 where two imaginary units met.
std::pair<PowerProduct, int> product(const PowerProduct& a, const PowerProduct& b) {
  std::pair<PowerProduct, int> result{{}, 1};
  PowerProduct& powers = result.first;
  auto x = a.begin();
  auto y = b.begin();
  while (x != a.end() || y != b.end()) {
    if (y == b.end() || (x != a.end() && x->first < y->first)) {
      powers.push_back(*x++);
    } else if (x == a.end() || y->first < x->first) {
      powers.push_back(*y++);
    } else if (x->first == NormalForms::kImaginary) {
      result.second = -1;
      ++x, ++y;
    } else {
      powers.emplace_back(x->first, x->second + y->second);
      if (powers.back().second > kMostPower) throw Undecided{};
      ++x, ++y;
    }
  }
  return result;
}

}  // namespace

Wide common_divisor(Wide a, Wide b) {
  if (a < 0) a = -a;
  if (b < 0) b = -b;
  while (b != 0) a = std::exchange(b, a % b);
  return a;
}

Wide checked_product(Wide a, Wide b) {
  Wide result = 0;
  if (__builtin_mul_overflow(a, b, &result)) throw Undecided{};
  return result;
}

Wide checked_sum(Wide a, Wide b) {
  Wide result = 0;
  if (__builtin_add_overflow(a, b, &result)) throw Undecided{};
  return result;
}

ExactSum NormalForms::constant(Wide value) {
  ExactSum sum;
  if (value != 0) sum.emplace(TermKey{}, value);
  return sum;
}

ExactSum NormalForms::variable(std::uint32_t number) {
  return {{TermKey{0, {{number, 1}}}, Wide{1}}};
}

const Wide* NormalForms::as_constant(const ExactSum& sum) {
  static constexpr Wide kZero = 0;
  if (sum.empty()) return &kZero;
  return sum.size() == 1 && sum.begin()->first == TermKey{} ? &sum.begin()->second : nullptr;
}

void NormalForms::spend(std::size_t work) const {
  budget_ -= static_cast<std::int64_t>(work);
  if (budget_ < 0) throw Undecided{};
}

void NormalForms::accumulate(ExactSum& sum, const TermKey& key, Wide coefficient) const {
  spend(1 + key.powers.size());
  const auto [at, added] = sum.try_emplace(key, coefficient);
  if (added) return;
  at->second = checked_sum(at->second, coefficient);
  if (at->second == 0) sum.erase(at);
}

ExactSum NormalForms::plus(ExactSum a, const ExactSum& b) const {
  spend(1 + a.size());
  for (const auto& [key, coefficient] : b) accumulate(a, key, coefficient);
  return a;
}

ExactSum NormalForms::scaled(ExactSum a, Wide factor) const {
  spend(1 + a.size());
  for (auto& [key, coefficient] : a) coefficient = checked_product(coefficient, factor);
  return factor == 0 ? ExactSum{} : a;
}

ExactSum NormalForms::times(const ExactSum& a, const ExactSum& b) const {
  if (const Wide* c = as_constant(a)) return scaled(b, *c);
  if (const Wide* c = as_constant(b)) return scaled(a, *c);
  ExactSum result;
  for (const auto& [x, c] : a) {
    for (const auto& [y, d] : b) {
      const auto [powers, sign] = product(x.powers, y.powers);
      accumulate(result, {sum_of(x.exponent, y.exponent), powers},
                 checked_product(checked_product(c, d), sign));
    }
  }
  return result;
}

ExactSum NormalForms::exponential(const ExactSum& numerator, const ExactSum& denominator) const {
  return {{TermKey{number_of({numerator, denominator}), {}}, Wide{1}}};
}

bool NormalForms::is_exponential(const ExactSum& sum) const {
  return sum.size() == 1 && sum.begin()->first.powers.empty() && sum.begin()->second == 1;
}

ExactSum NormalForms::reciprocal_of_exponential(const ExactSum& sum) const {
  const Quotient& r = exponents_[sum.begin()->first.exponent];
  return exponential(scaled(r.numerator, -1), r.denominator);
}

// a/b = c/d where ad = cb.
std::uint32_t NormalForms::number_of(Quotient quotient) const {
  for (const ExactSum* part : {&quotient.numerator, &quotient.denominator}) {
    for (const auto& [key, coefficient] : *part) {
      if (key.exponent != 0) throw Undecided{};  // an exponential of an exponential
    }
  }
  for (std::size_t i = 0; i < exponents_.size(); ++i) {
    const Quotient& known = exponents_[i];
    const bool same = known.denominator == quotient.denominator
                          ? known.numerator == quotient.numerator
                          : times(known.numerator, quotient.denominator) ==
                                times(quotient.numerator, known.denominator);
    spend(1 + quotient.numerator.size());
    if (same) return static_cast<std::uint32_t>(i);
  }
  if (exponents_.size() == kMostExponents) throw Undecided{};
  exponents_.push_back(std::move(quotient));
  return static_cast<std::uint32_t>(exponents_.size() - 1);
}

std::uint32_t NormalForms::sum_of(std::uint32_t a, std::uint32_t b) const {
  if (a == 0 || b == 0) return a + b;
  const std::pair<std::uint32_t, std::uint32_t> key = std::minmax(a, b);
  if (const auto known = sums_.find(key); known != sums_.end()) return known->second;
  const Quotient& x = exponents_[a];
  const Quotient& y = exponents_[b];
  Quotient sum;
  if (x.denominator == y.denominator) {
    sum = {plus(x.numerator, y.numerator), x.denominator};
  } else {
    sum = {plus(times(x.numerator, y.denominator), times(y.numerator, x.denominator)),
           times(x.denominator, y.denominator)};
  }
  const std::uint32_t number = number_of(std::move(sum));
  sums_.emplace(key, number);
  return number;
}

}  // namespace lamina
