// Exact arithmetic of linear forms.
#include "verify/linear_form.h"

#include <limits>
#include <numeric>

namespace lamina {
namespace {

using Wide = __int128;

constexpr std::size_t kMostTerms = 64;
// Products of two of them and sums of two such fit into 128 bits; negatives fit as well.
constexpr Wide kLargest = std::numeric_limits<std::int64_t>::max();

Wide greatest_divisor(Wide a, Wide b) {
  if (a < 0) a = -a;
  if (b < 0) b = -b;
  while (b != 0) a = std::exchange(b, a % b);
  return a;
}

struct WideForm {
  std::vector<std::pair<std::uint32_t, Wide>> terms;
  Wide constant = 0;
  Wide denominator = 1;  // above 0

  // Without common divisors, if that fits.
  std::optional<LinearForm> reduced() const {
    Wide divisor = greatest_divisor(denominator, constant);
    for (const auto& [atom, coefficient] : terms) divisor = greatest_divisor(divisor, coefficient);
    LinearForm form;
    const auto fits = [&](Wide x) { return -kLargest <= x / divisor && x / divisor <= kLargest; };
    if (!fits(denominator) || !fits(constant)) return std::nullopt;
    form.denominator = static_cast<std::int64_t>(denominator / divisor);
    form.constant = static_cast<std::int64_t>(constant / divisor);
    for (const auto& [atom, coefficient] : terms) {
      if (coefficient == 0) continue;
      if (!fits(coefficient)) return std::nullopt;
      form.terms.emplace_back(atom, static_cast<std::int64_t>(coefficient / divisor));
    }
    if (form.terms.size() > kMostTerms) return std::nullopt;
    return form;
  }
};

// a * x + b * y over `denominator`.
std::optional<LinearForm> combined(std::int64_t a, const LinearForm& x, std::int64_t b,
                                   const LinearForm& y, Wide denominator) {
  WideForm form;
  std::size_t i = 0, k = 0;
  while (i < x.terms.size() || k < y.terms.size()) {
    const bool left =
        k == y.terms.size() || (i < x.terms.size() && x.terms[i].first <= y.terms[k].first);
    const bool right =
        i == x.terms.size() || (k < y.terms.size() && y.terms[k].first <= x.terms[i].first);
    const std::uint32_t atom = left ? x.terms[i].first : y.terms[k].first;
    Wide coefficient = 0;
    if (left) coefficient += Wide(a) * x.terms[i++].second;
    if (right) coefficient += Wide(b) * y.terms[k++].second;
    form.terms.emplace_back(atom, coefficient);
  }
  form.constant = Wide(a) * x.constant + Wide(b) * y.constant;
  form.denominator = denominator;
  return form.reduced();
}

}  // namespace

int LinearForm::leading_sign() const {
  const std::int64_t leading = terms.empty() ? constant : terms[0].second;
  return leading > 0 ? 1 : leading < 0 ? -1 : 0;
}

LinearForm LinearForm::primitive() const {
  std::int64_t divisor = std::gcd(std::int64_t{0}, constant);
  for (const auto& [atom, coefficient] : terms) divisor = std::gcd(divisor, coefficient);
  LinearForm form = *this;
  form.denominator = 1;
  if (divisor == 0) return form;
  form.constant /= divisor;
  for (auto& [atom, coefficient] : form.terms) coefficient /= divisor;
  return form;
}

LinearForm operator-(const LinearForm& a) {
  LinearForm negative = a;
  negative.constant = -a.constant;
  for (auto& [atom, coefficient] : negative.terms) coefficient = -coefficient;
  return negative;
}

std::optional<LinearForm> sum(const LinearForm& a, const LinearForm& b) {
  return combined(b.denominator, a, a.denominator, b, Wide(a.denominator) * b.denominator);
}

std::optional<LinearForm> product(const LinearForm& a, const LinearForm& constant) {
  return combined(constant.constant, a, 0, LinearForm{},
                  Wide(a.denominator) * constant.denominator);
}

std::optional<LinearForm> quotient(const LinearForm& a, const LinearForm& constant) {
  if (constant.constant == 0) return std::nullopt;
  LinearForm inverse = LinearForm::integer(constant.denominator);
  inverse.denominator = constant.constant;
  if (inverse.denominator < 0) {
    inverse.denominator = -inverse.denominator;
    inverse.constant = -inverse.constant;
  }
  return product(a, inverse);
}

std::optional<LinearForm> combination(std::int64_t a, const LinearForm& x, std::int64_t b,
                                      const LinearForm& y) {
  const auto form = combined(a, x, b, y, 1);
  return form ? std::optional(form->primitive()) : std::nullopt;
}

}  // namespace lamina
