// Formal values as bounds: how large the polynomials behind a value can be, and which variables and
// exponentials take part. From the graphs alone, before anything is drawn (docs/design/verify.md,
// "Bounds").
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "num/formal.h"
#include "verify/ranges.h"

namespace lamina {

// Majorants of a sum of f_j e^(r_j), f_j polynomials with integer coefficients. Infinite where they
// overflow. `terms` and `norm` are binary logarithms, rounded up.
struct Polynomial {
  double terms = 0.0;         // number of distinct r_j
  double norm = 0.0;          // sum of the absolute values of all coefficients
  double degree = 0.0;        // of the f_j
  double exponentials = 0.0;  // most factors e^.. of a term
  bool zero = false;

  auto operator<=>(const Polynomial&) const = default;
};
Polynomial operator+(const Polynomial& a, const Polynomial& b);
Polynomial operator*(const Polynomial& a, const Polynomial& b);
Polynomial larger(const Polynomial& a, const Polynomial& b);

// A fraction. Denominators are products of divisors, each known by the place where it was computed.
struct Fraction {
  Polynomial numerator;
  std::vector<std::pair<std::uint32_t, std::int32_t>> divisors;  // number, multiplicity; ascending
  auto operator<=>(const Fraction&) const = default;
};

// What a value involves, but for the fresh variables that terms_of() lists. `vars` are numbers of
// input elements, then of fresh variables.
struct Support {
  Ranges vars;
  Ranges nonlinear;  // those that may occur otherwise than in degree 1
  Ranges gates;      // exponentials, by number
  // A sum of logarithms of which it is not known which ones are equal, and so how many there are.
  bool uncounted = false;
  // Made of a maximum that may be one of its operands: in a field it may be an exponent or not.
  bool undecided = false;
  bool operator==(const Support&) const = default;
};

class BoundAlgebra : public Algebra {
 public:
  // Sizes alone are enough for theorem T1, and far quicker: supports are empty then but for their
  // mark, and the sizes of single exponents are not kept. Where there are few values, equal ones
  // are not looked for.
  enum class Detail : std::uint8_t { kFewSizes, kSizes, kAll };
  explicit BoundAlgebra(Detail detail = Detail::kAll);

  Formal variable(std::uint32_t number) const;  // an input element
  // Fresh variables are numbered from here on.
  void set_input_count(std::uint32_t count) { next_variable_ = count; }

  Formal add(const Formal& a, const Formal& b) const override;
  Formal negate(const Formal& x) const override;
  Formal multiply(const Formal& a, const Formal& b) const override;
  Formal divide(const Formal& a, const Formal& b) const override;
  Formal integer(std::int64_t value) const override;
  Formal exponential(const Formal& x, bool turned) const override;
  std::optional<Formal> imaginary() const override;
  std::optional<std::int64_t> known_integer(const Formal& x) const override;
  bool certainly_equal(const Formal& a, const Formal& b) const override;
  bool leads(const Formal&) const override { return true; }
  Formal fresh(std::string_view name, std::span<const Formal> operands) const override;
  Formal greatest(std::span<const Formal> operands) const override;
  Formal forget(Formal value) const override;
  void dots(const Strided<Formal>& a, const Strided<Formal>& b, std::int64_t n,
            std::span<Formal> totals) const override;
  bool products(const Panel<Formal>& a, const Panel<Formal>& b,
                std::span<Formal> totals) const override;

  void set_imaginary(bool on) { imaginary_ = on; }
  // The greatest of values may be one of them (ResidueField::idempotent_maxima).
  void set_idempotent(bool on) { idempotent_ = on; }

  const Fraction& fraction(const Formal& x) const { return fractions_[x.p[0]]; }
  const Support& support(const Formal& x) const { return supports_[x.p[2]]; }
  Polynomial denominator(const Fraction& x) const;
  // The difference of two values over a common denominator.
  Polynomial difference(const Fraction& a, const Fraction& b) const;
  // Constants that the exact arithmetic of this algebra lost sight of: no bound holds then.
  bool overflowed() const { return overflowed_; }

  // The supports of the arguments of all exponentials, in the order of evaluation.
  const std::vector<std::uint32_t>& gate_supports() const { return gate_supports_; }
  const Support& support_number(std::uint32_t number) const { return supports_[number]; }
  struct Exponents {
    Polynomial numerator;          // the largest of all arguments
    Polynomial denominator;        // likewise
    std::size_t denominators = 0;  // distinct ones other than 1
  };
  Exponents exponents() const;
  // How many arguments of exponentials there are of each size, the constant ones (but for fresh
  // variables) of each value.
  struct ExponentSize {
    Polynomial numerator;
    Polynomial denominator;
    bool constant = false;
    std::pair<__int128, __int128> value{};
    auto operator<=>(const ExponentSize&) const = default;
  };
  const std::map<ExponentSize, double>& exponent_sizes() const { return exponent_sizes_; }

  // The operands of the functions that became fresh variables.
  struct Function {
    double values = 0.0;    // how many variables
    double operands = 1.0;  // of one of them, at most
    Polynomial numerator;   // the largest of all operands
    Polynomial denominator;
  };
  const std::map<std::string, Function>& functions() const { return functions_; }
  // Operands that were compared, and may have been taken for equal.
  const Function& comparisons() const { return comparisons_; }

 protected:
  Formal new_leaf() const;  // a fresh variable
  // The same value with other majorants.
  Formal with_fraction(Formal x, Fraction fraction) const;

 private:
  struct Rational {
    __int128 numerator = 0;
    __int128 denominator = 1;
  };

  Formal value(std::uint64_t fraction, std::uint32_t support, Formal::Slot slot) const;
  bool traced() const { return detail_ == Detail::kAll; }
  bool few() const { return detail_ == Detail::kFewSizes; }
  std::uint64_t intern(Fraction fraction) const;
  std::uint32_t intern(Support support) const;
  std::uint32_t united(std::uint32_t a, std::uint32_t b, bool product) const;
  std::uint32_t uncounted(const Formal& x) const;
  Formal with_constant(Formal x, const std::optional<Rational>& value) const;
  std::optional<Rational> constant_of(const Formal& x) const;
  Formal with_product(Formal x, const Rational& a, const Rational& b) const;
  Rational reduced(Rational value) const;
  std::uint32_t divisor_number(const Formal& x) const;
  Polynomial product_of(const std::vector<std::pair<std::uint32_t, std::int32_t>>& divisors) const;
  Fraction sum(const Fraction& a, const Fraction& b) const;
  std::uint64_t sum_number(const Formal& a, const Formal& b) const;
  std::uint64_t product_number(const Formal& a, const Formal& b) const;
  void note_exponent(const Formal& x) const;
  void note_operand(Function& function, const Formal& x) const;
  void note_comparison(const Formal& a, const Formal& b) const;
  std::uint32_t support_of_terms(const Formal& x) const;
  // A line of an operand of a product all of whose elements have the same bounds.
  struct Line {
    const Formal* element = nullptr;  // one of them; nullptr where they are not alike
    std::uint32_t support = 0;        // of all of them
  };
  Line line_of(const Panel<Formal>& panel, std::int64_t line) const;
  Formal uniform_sum(const Line& a, const Line& b, double terms) const;

  Detail detail_;
  bool imaginary_ = false;
  bool idempotent_ = false;
  mutable bool overflowed_ = false;
  mutable std::uint64_t next_place_ = 0;
  mutable std::uint32_t next_variable_ = 0;
  mutable std::vector<std::uint32_t> variable_numbers_;  // of fresh variables
  mutable std::vector<Fraction> fractions_;
  mutable std::map<Fraction, std::uint64_t> fraction_numbers_;
  mutable std::vector<Support> supports_;
  struct SupportHash {
    std::size_t operator()(const Support& support) const;
  };
  mutable std::unordered_map<Support, std::uint32_t, SupportHash> support_numbers_;
  mutable std::size_t stored_ranges_ = 0;
  mutable std::unordered_map<std::uint64_t, std::uint32_t> unions_;
  mutable std::unordered_map<std::uint64_t, std::uint64_t> sums_, products_;
  mutable std::map<std::tuple<std::uint64_t, std::uint64_t, double>, std::uint64_t> uniform_sums_;
  // Of values c + fresh variables the c, by p[3]; number 0: not of this form.
  mutable std::vector<Rational> constants_ = {{}};
  mutable std::vector<Polynomial> divisors_;  // numerators, by divisor number
  mutable std::unordered_map<std::uint64_t, std::uint32_t> divisor_numbers_;  // by place
  mutable std::map<std::int64_t, Formal> integers_;
  mutable std::vector<std::uint32_t> gate_supports_;
  mutable Polynomial exponent_numerator_, exponent_denominator_;
  mutable std::set<std::vector<std::pair<std::uint32_t, std::int32_t>>> exponent_divisors_;
  mutable std::map<ExponentSize, double> exponent_sizes_;
  mutable std::map<std::string, Function> functions_;
  mutable Function comparisons_{0.0, 1.0, {}, {}};
  mutable std::unordered_map<std::uint64_t, double> join_sizes_;  // of maxima, by place
};

}  // namespace lamina
