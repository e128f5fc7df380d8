// Linear forms, and integer elimination with them.
#include "io/rule_sizes.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"

namespace lamina {
namespace {

constexpr std::int64_t kLargestSize = 48;
constexpr int kAttempts = 1000;

[[noreturn]] void out_of_range() {
  fail(ErrorCode::kUnsupported, "the sizes of the rule leave the range of integers");
}

std::int64_t add(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) out_of_range();
  return result;
}

std::int64_t multiply(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) out_of_range();
  return result;
}

std::int64_t floor_quotient(std::int64_t a, std::int64_t b) {
  const std::int64_t quotient = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

// Divides by the common divisor of the coefficients; false when it does not divide the constant.
bool divide_out(LinearForm& form) {
  std::int64_t divisor = 0;
  for (const auto& [unknown, coefficient] : form.terms) divisor = std::gcd(divisor, coefficient);
  if (form.constant % divisor != 0) return false;
  form.constant /= divisor;
  for (auto& [unknown, coefficient] : form.terms) coefficient /= divisor;
  return true;
}

std::pair<int, std::int64_t> smallest_term(const LinearForm& form) {
  const auto smaller = [](const auto& a, const auto& b) {
    return std::abs(a.second) < std::abs(b.second);
  };
  return *std::min_element(form.terms.begin(), form.terms.end(), smaller);
}

// Variant 0 mixes odd and even sizes, 1 takes odd ones, 2 even ones.
std::int64_t preferred(int variant, std::size_t position) {
  static const std::vector<std::vector<std::int64_t>> kSizes = {
      {2, 3, 5, 4, 6, 7}, {3, 5, 1, 7, 3, 5}, {4, 2, 6, 8, 2, 4}, {5, 2, 3, 6, 1, 4}};
  const auto& sizes = kSizes[static_cast<std::size_t>(variant) % kSizes.size()];
  return sizes[(position + static_cast<std::size_t>(variant) / kSizes.size()) % sizes.size()];
}

}  // namespace

LinearForm operator+(const LinearForm& a, const LinearForm& b) {
  LinearForm sum = a;
  sum.constant = add(sum.constant, b.constant);
  for (const auto& [unknown, coefficient] : b.terms) {
    std::int64_t& entry = sum.terms[unknown];
    entry = add(entry, coefficient);
    if (entry == 0) sum.terms.erase(unknown);
  }
  return sum;
}

LinearForm operator*(std::int64_t factor, const LinearForm& a) {
  LinearForm product;
  if (factor == 0) return product;
  product.constant = multiply(factor, a.constant);
  for (const auto& [unknown, coefficient] : a.terms) {
    product.terms[unknown] = multiply(factor, coefficient);
  }
  return product;
}

LinearForm operator-(const LinearForm& a, const LinearForm& b) { return a + (-1) * b; }

std::int64_t evaluate(const LinearForm& form, const std::vector<std::int64_t>& values) {
  std::int64_t total = form.constant;
  for (const auto& [unknown, coefficient] : form.terms) {
    total = add(total, multiply(coefficient, values[static_cast<std::size_t>(unknown)]));
  }
  return total;
}

int SizeSystem::add_unknown(std::optional<std::int64_t> min) {
  min_.push_back(min);
  return static_cast<int>(min_.size()) - 1;
}

LinearForm SizeSystem::unknown(std::int64_t min) {
  LinearForm form;
  form.terms[add_unknown(min)] = 1;
  return form;
}

LinearForm SizeSystem::reduce(const LinearForm& form) const {
  LinearForm result = form.constant;
  for (const auto& [unknown, coefficient] : form.terms) {
    const auto found = known_.find(unknown);
    LinearForm term;
    term.terms[unknown] = 1;
    result = result + coefficient * (found == known_.end() ? term : found->second);
  }
  return result;
}

void SizeSystem::substitute(int unknown, const LinearForm& form) {
  known_[unknown] = form;
  for (auto& [other, value] : known_) value = reduce(value);
}

// Knuth, The Art of Computer Programming 2, 4.5.2: an unknown with a unit coefficient is
// eliminated; without one, a new unknown makes the coefficients smaller.
bool SizeSystem::equate(const LinearForm& a, const LinearForm& b) {
  for (LinearForm rest = reduce(a - b);; rest = reduce(rest)) {
    if (rest.terms.empty()) return rest.constant == 0;
    if (!divide_out(rest)) return false;
    const auto [unknown, coefficient] = smallest_term(rest);
    LinearForm others = rest;
    others.terms.erase(unknown);
    if (std::abs(coefficient) == 1) {
      substitute(unknown, -coefficient * others);
      return true;
    }
    LinearForm form;
    form.terms[add_unknown(std::nullopt)] = 1;
    form.constant = -floor_quotient(others.constant, coefficient);
    for (const auto& [other, factor] : others.terms) {
      const std::int64_t quotient = floor_quotient(factor, coefficient);
      if (quotient != 0) form.terms[other] = -quotient;
    }
    substitute(unknown, form);
  }
}

// True when a minimum is missed whatever the free unknowns are: their smallest values give a form
// with negative coefficients its largest.
bool SizeSystem::hopeless() const {
  return std::any_of(known_.begin(), known_.end(), [&](const auto& entry) {
    const auto& [unknown, form] = entry;
    if (!min_[static_cast<std::size_t>(unknown)]) return false;
    std::int64_t largest = form.constant;
    for (const auto& [free, coefficient] : form.terms) {
      const std::optional<std::int64_t>& low = min_[static_cast<std::size_t>(free)];
      if (coefficient > 0 || !low) return false;
      largest = add(largest, multiply(coefficient, *low));
    }
    return largest < *min_[static_cast<std::size_t>(unknown)];
  });
}

std::optional<std::vector<std::int64_t>> SizeSystem::complete(
    std::vector<std::int64_t> values) const {
  for (const auto& [unknown, form] : known_) {
    values[static_cast<std::size_t>(unknown)] = evaluate(form, values);
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (min_[i] && (values[i] < *min_[i] || values[i] > kLargestSize)) return std::nullopt;
  }
  return values;
}

std::optional<std::vector<std::int64_t>> SizeSystem::solve(int variant) const {
  if (hopeless()) return std::nullopt;
  Rng rng(static_cast<std::uint64_t>(variant));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::vector<std::int64_t> values(min_.size(), 0);
    std::size_t position = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (known_.contains(static_cast<int>(i))) continue;
      if (attempt == 0) {
        values[i] = preferred(variant, position++);
      } else {
        values[i] = rng.integer(min_[i].value_or(-8), 8);
      }
    }
    if (auto solution = complete(std::move(values))) return solution;
  }
  return std::nullopt;
}

}  // namespace lamina
