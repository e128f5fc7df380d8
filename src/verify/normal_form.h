// Exact normal forms: sums of f_j e^(r_j), f_j polynomials with integer coefficients, r_j rational
// functions. Two such sums are equal as functions exactly where they are equal as maps
// (docs/design/verify.md, "What a mismatch proves").
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace lamina {

__extension__ using Wide = __int128;

// Thrown where a form has too many terms or too large numbers, or is none: it is given up.
struct Undecided {};

// Powers of variables: number and exponent, ascending. Variable 0 is the imaginary unit, with
// exponent 1 at most.
using PowerProduct = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

struct TermKey {
  std::uint32_t exponent = 0;  // number of r_j; 0: r_j = 0
  PowerProduct powers;

  auto operator<=>(const TermKey&) const = default;
};
using ExactSum = std::map<TermKey, Wide>;  // no coefficient is 0

// Numbers exponents, so that equal rational functions have equal numbers, and counts the work.
class NormalForms {
 public:
  explicit NormalForms(std::int64_t budget) : budget_(budget) { exponents_.push_back({{}, one()}); }

  static constexpr std::uint32_t kImaginary = 0;

  static ExactSum constant(Wide value);
  static ExactSum one() { return constant(1); }
  static ExactSum variable(std::uint32_t number);
  // The constant that the sum is, 0 included; null if it is none.
  static const Wide* as_constant(const ExactSum& sum);

  ExactSum plus(ExactSum a, const ExactSum& b) const;
  ExactSum times(const ExactSum& a, const ExactSum& b) const;
  ExactSum scaled(ExactSum a, Wide factor) const;
  // e^(numerator / denominator), of sums without exponentials. Throws Undecided for others.
  ExactSum exponential(const ExactSum& numerator, const ExactSum& denominator) const;
  // 1 / (e^r) for a sum that is c e^r with c = 1; null for others.
  bool is_exponential(const ExactSum& sum) const;
  ExactSum reciprocal_of_exponential(const ExactSum& sum) const;

  void spend(std::size_t work) const;

 private:
  struct Quotient {
    ExactSum numerator;
    ExactSum denominator;
  };

  std::uint32_t number_of(Quotient quotient) const;
  std::uint32_t sum_of(std::uint32_t a, std::uint32_t b) const;
  void accumulate(ExactSum& sum, const TermKey& key, Wide coefficient) const;

  mutable std::int64_t budget_;
  mutable std::vector<Quotient> exponents_;
  mutable std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> sums_;
};

// gcd(|a|, |b|).
Wide common_divisor(Wide a, Wide b);
// Throw Undecided when they overflow.
Wide checked_product(Wide a, Wide b);
Wide checked_sum(Wide a, Wide b);

}  // namespace lamina
