// Formal values as exact fractions of sums of f_j e^(r_j): what proves that two graphs are equal.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "num/formal.h"
#include "verify/normal_form.h"

namespace lamina {

// Functions without a homomorphism are variables, one for each list of equal operands. Throws
// Undecided when the budget (of terms that are touched) is spent, and for branches: equality as
// fractions does not tell where these are defined.
class ExactAlgebra final : public Algebra {
 public:
  explicit ExactAlgebra(std::int64_t budget) : forms_(budget) {}

  Formal variable() const;  // another one at each call

  Formal add(const Formal& a, const Formal& b) const override;
  Formal negate(const Formal& x) const override;
  Formal multiply(const Formal& a, const Formal& b) const override;
  Formal divide(const Formal& a, const Formal& b) const override;
  Formal integer(std::int64_t value) const override;
  Formal exponential(const Formal& x, bool turned) const override;
  std::optional<Formal> imaginary() const override;
  std::optional<std::int64_t> known_integer(const Formal& x) const override;
  bool certainly_equal(const Formal& a, const Formal& b) const override;
  bool leads(const Formal& x) const override;
  Formal fresh(std::string_view name, std::span<const Formal> operands) const override;
  Formal greatest(std::span<const Formal> operands) const override;

 private:
  // numerator / (scale * product of divisors), scale > 0. Divisors are no constants, and numbered.
  struct Fraction {
    ExactSum numerator;
    Wide scale = 1;
    std::map<std::uint32_t, std::uint32_t> divisors;  // number, multiplicity
  };
  struct Function {
    std::string name;
    std::vector<Formal> operands;
    Formal value;
  };

  const Fraction& fraction(const Formal& x) const { return fractions_[x.p[0]]; }
  Formal value(Fraction fraction, Formal::Slot slot) const;
  std::uint32_t divisor_number(ExactSum sum) const;
  ExactSum power(std::uint32_t divisor, std::uint32_t times) const;
  ExactSum denominator(const Fraction& x) const;
  Fraction sum(const Fraction& a, const Fraction& b, Wide sign) const;

  NormalForms forms_;
  mutable std::uint32_t next_variable_ = NormalForms::kImaginary + 1;
  mutable std::vector<Fraction> fractions_;
  mutable std::vector<ExactSum> divisors_;
  mutable std::map<ExactSum, std::uint32_t> divisor_numbers_;
  mutable std::vector<Function> functions_;
  mutable std::vector<Formal> leaders_;  // of each x and -x that leads() saw, the one that leads
};

}  // namespace lamina
