// Exact fractions: cross-multiplied, never cancelled but for numbers and equal divisors.
#include "verify/exact_algebra.h"

#include <algorithm>
#include <utility>

#include "verify/branches.h"

namespace lamina {

using Slot = Formal::Slot;

// Divides by what all coefficients and the scale have in common.
Formal ExactAlgebra::value(Fraction fraction, Slot slot) const {
  forms_.spend(1 + fraction.numerator.size());
  if (fraction.numerator.empty()) fraction = {};
  Wide common = fraction.scale;
  for (const auto& [key, coefficient] : fraction.numerator) {
    if (common == 1) break;
    common = common_divisor(common, coefficient);
  }
  if (common > 1) {
    for (auto& [key, coefficient] : fraction.numerator) coefficient /= common;
    fraction.scale /= common;
  }
  Formal x;
  x.algebra = this;
  x.slot = slot;
  x.p[0] = fractions_.size();
  fractions_.push_back(std::move(fraction));
  return x;
}

Formal ExactAlgebra::variable() const {
  return value({NormalForms::variable(next_variable_++), 1, {}}, Slot::kKnown);
}

Formal ExactAlgebra::integer(std::int64_t number) const {
  Formal x = value({NormalForms::constant(number), 1, {}}, Slot::kKnown);
  x.constant = true;
  x.bit = number == 0 || number == 1;
  return x;
}

std::optional<Formal> ExactAlgebra::imaginary() const {
  return value({NormalForms::variable(NormalForms::kImaginary), 1, {}}, Slot::kAbsent);
}

ExactSum ExactAlgebra::power(std::uint32_t divisor, std::uint32_t times) const {
  ExactSum product = NormalForms::one();
  for (std::uint32_t i = 0; i < times; ++i) product = forms_.times(product, divisors_[divisor]);
  return product;
}

ExactSum ExactAlgebra::denominator(const Fraction& x) const {
  ExactSum product = NormalForms::constant(x.scale);
  for (const auto& [divisor, times] : x.divisors) {
    product = forms_.times(product, power(divisor, times));
  }
  return product;
}

// a + sign * b over the least common multiple of their denominators.
ExactAlgebra::Fraction ExactAlgebra::sum(const Fraction& a, const Fraction& b, Wide sign) const {
  Fraction total;
  const Wide common = common_divisor(a.scale, b.scale);
  total.scale = checked_product(a.scale, b.scale / common);
  total.divisors = a.divisors;
  for (const auto& [divisor, times] : b.divisors) {
    std::uint32_t& most = total.divisors[divisor];
    most = std::max(most, times);
  }
  const auto raised = [&](const Fraction& x, Wide factor) {
    ExactSum numerator = forms_.scaled(x.numerator, checked_product(factor, total.scale / x.scale));
    for (const auto& [divisor, times] : total.divisors) {
      const auto own = x.divisors.find(divisor);
      const std::uint32_t has = own == x.divisors.end() ? 0 : own->second;
      if (times > has) numerator = forms_.times(numerator, power(divisor, times - has));
    }
    return numerator;
  };
  total.numerator = forms_.plus(raised(a, 1), raised(b, sign));
  return total;
}

Formal ExactAlgebra::add(const Formal& a, const Formal& b) const {
  return value(sum(fraction(a), fraction(b), 1), std::max(a.slot, b.slot));
}

Formal ExactAlgebra::negate(const Formal& x) const {
  Fraction negative = fraction(x);
  negative.numerator = forms_.scaled(std::move(negative.numerator), -1);
  return value(std::move(negative), x.slot);
}

Formal ExactAlgebra::multiply(const Formal& a, const Formal& b) const {
  const Fraction& x = fraction(a);
  const Fraction& y = fraction(b);
  Fraction product{forms_.times(x.numerator, y.numerator), checked_product(x.scale, y.scale),
                   x.divisors};
  for (const auto& [divisor, times] : y.divisors) product.divisors[divisor] += times;
  return value(std::move(product), std::max(a.slot, b.slot));
}

std::uint32_t ExactAlgebra::divisor_number(ExactSum sum) const {
  forms_.spend(1 + sum.size());
  const auto [at, added] =
      divisor_numbers_.try_emplace(std::move(sum), static_cast<std::uint32_t>(divisors_.size()));
  if (added) divisors_.push_back(at->first);
  return at->second;
}

// a / (n / d) = a d / n. The content and the sign of n go to the scale; an exponential is turned
// round, what is left becomes a divisor.
Formal ExactAlgebra::divide(const Formal& a, const Formal& b) const {
  const Fraction y = fraction(b);
  if (y.numerator.empty()) return poison();
  Fraction quotient = fraction(a);
  quotient.numerator = forms_.scaled(std::move(quotient.numerator), y.scale);
  for (const auto& [divisor, times] : y.divisors) {
    const auto own = quotient.divisors.find(divisor);
    const std::uint32_t cancelled =
        own == quotient.divisors.end() ? 0 : std::min(own->second, times);
    if (cancelled > 0 && (own->second -= cancelled) == 0) quotient.divisors.erase(own);
    if (times > cancelled) {
      quotient.numerator = forms_.times(quotient.numerator, power(divisor, times - cancelled));
    }
  }
  ExactSum below = y.numerator;
  Wide content = 0;
  for (const auto& [key, coefficient] : below) content = common_divisor(content, coefficient);
  for (auto& [key, coefficient] : below) coefficient /= content;
  if (below.begin()->second < 0) {
    below = forms_.scaled(std::move(below), -1);
    quotient.numerator = forms_.scaled(std::move(quotient.numerator), -1);
  }
  quotient.scale = checked_product(quotient.scale, content);
  if (forms_.is_exponential(below)) {
    quotient.numerator = forms_.times(quotient.numerator, forms_.reciprocal_of_exponential(below));
  } else {
    ++quotient.divisors[divisor_number(std::move(below))];
  }
  return value(std::move(quotient), std::max(a.slot, b.slot));
}

Formal ExactAlgebra::exponential(const Formal& x, bool turned) const {
  const Fraction& exponent = fraction(x);
  ExactSum numerator = exponent.numerator;
  if (turned) {
    numerator = forms_.times(numerator, NormalForms::variable(NormalForms::kImaginary));
  }
  return value({forms_.exponential(numerator, denominator(exponent)), 1, {}}, Slot::kAbsent);
}

std::optional<std::int64_t> ExactAlgebra::known_integer(const Formal& x) const {
  if (!x.constant || !x.finite() || !x.has_q()) return std::nullopt;
  const Fraction& known = fraction(x);
  const Wide* number = NormalForms::as_constant(known.numerator);
  if (number == nullptr || known.scale != 1 || !known.divisors.empty()) return std::nullopt;
  constexpr Wide kEnd = Wide{1} << 31;  // as in the fields
  if (*number <= -kEnd || *number >= kEnd) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

bool ExactAlgebra::certainly_equal(const Formal& a, const Formal& b) const {
  return a.p[0] == b.p[0] || sum(fraction(a), fraction(b), -1).numerator.empty();
}

bool ExactAlgebra::leads(const Formal& x) const {
  for (const Formal& leader : leaders_) {
    if (certainly_equal(x, leader)) return true;
    if (sum(fraction(x), fraction(leader), 1).numerator.empty()) return false;
  }
  leaders_.push_back(x);
  return true;
}

Formal ExactAlgebra::fresh(std::string_view name, std::span<const Formal> operands) const {
  if (count_branches({{std::string(name), 1}}) > 0) throw Undecided{};
  for (const Function& known : functions_) {
    forms_.spend(1);
    if (known.name != name || known.operands.size() != operands.size()) continue;
    const bool same = std::equal(operands.begin(), operands.end(), known.operands.begin(),
                                 [](const Formal& a, const Formal& b) { return a.agrees(b); });
    if (same) return known.value;
  }
  const Formal result = new_variable(variable());
  functions_.push_back({std::string(name), {operands.begin(), operands.end()}, result});
  return result;
}

Formal ExactAlgebra::greatest(std::span<const Formal>) const { throw Undecided{}; }

}  // namespace lamina
