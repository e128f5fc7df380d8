// Formal: a value of the identity tester. Operators are evaluated over it like over any number
// type; what a value is says its algebra: residues modulo four pairs of primes (residue_field.h),
// bounds of degrees, an exact normal form, the plain numbers of a replay.
//
// This file has what all algebras share. Infinities are tags. A division by zero poisons a value:
// it is never replaced by a made-up number. Functions without a homomorphism (max, compare, erf,
// roots,
// ...) become fresh variables keyed by function and operands (docs/design/verify.md,
// "Abstraction").
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lamina {

class Algebra;

constexpr int kLanes = 4;  // pairs of primes that are evaluated side by side

struct Formal {
  enum class State : std::uint8_t { kFinite, kPoison, kMinusInfinity, kPlusInfinity };
  // Whether the value may be an exponent. Void: a division by zero in the field of exponents alone.
  // Absent: an exponential took part. In this order the slot of a sum or product is the maximum of
  // its operands' slots.
  enum class Slot : std::uint8_t { kKnown, kVoid, kAbsent };

  const Algebra* algebra = nullptr;
  State state = State::kFinite;
  Slot slot = Slot::kKnown;
  bool constant = false;     // made of literals and concrete integers only
  bool bit = false;          // certainly 0 or 1: a comparison, or made of comparisons
  std::uint32_t memory = 0;  // Algebra: fresh variables it is a sum of, or its logarithm
  std::array<std::uint32_t, kLanes> q{};  // as an exponent; meaning of both: the algebra's
  std::array<std::uint64_t, kLanes> p{};

  bool finite() const { return state == State::kFinite; }
  bool has_q() const { return slot == Slot::kKnown; }
  // Finite and certainly equal, or the same infinity. Poison agrees with nothing, itself included.
  bool agrees(const Formal& other) const;
};

// Numbers that a block of inner products walks: (k, j) is at[k * step + j * next].
template <class Number>
struct Strided {
  const Number* at;
  std::int64_t step;
  std::int64_t next;
};

// Lines of numbers that products of matrices walk: (i, k) is at[i * next + steps[k]].
template <class Number>
struct Panel {
  const Number* at;
  std::int64_t lines;
  std::int64_t next;
  std::span<const std::int64_t> steps;

  const Number& operator()(std::int64_t i, std::size_t k) const { return at[i * next + steps[k]]; }
};

// The arithmetic of finite values. Not thread safe: one algebra per evaluation.
class Algebra {
 public:
  virtual ~Algebra() = default;

  // Results carry no tags of their own (constant, bit, logs); slots are those of the operands.
  virtual Formal add(const Formal& a, const Formal& b) const = 0;
  virtual Formal negate(const Formal& x) const = 0;
  virtual Formal multiply(const Formal& a, const Formal& b) const = 0;
  virtual Formal divide(const Formal& a, const Formal& b) const = 0;
  virtual Formal integer(std::int64_t value) const = 0;
  // e^x, or e^(ix) if `turned`, of a value that has its exponent slot.
  virtual Formal exponential(const Formal& x, bool turned) const = 0;
  // The imaginary unit, if there is one here; sin and cos are exact then.
  virtual std::optional<Formal> imaginary() const = 0;
  // The integer that a constant certainly is, if it is a small one.
  virtual std::optional<std::int64_t> known_integer(const Formal& x) const = 0;
  virtual bool certainly_equal(const Formal& a, const Formal& b) const = 0;
  // True for one of x and -x, the same whenever they are computed again.
  virtual bool leads(const Formal& x) const = 0;

  // The value of the uninterpreted function `name` at finite or infinite operands: the same for
  // operands that agree.
  virtual Formal fresh(std::string_view name, std::span<const Formal> operands) const = 0;
  // The greatest of finite operands: a free commutative, associative, idempotent operation.
  virtual Formal greatest(std::span<const Formal> operands) const = 0;
  // totals[j] += sum over k < n of a(k, j) * b(k, j).
  virtual void dots(const Strided<Formal>& a, const Strided<Formal>& b, std::int64_t n,
                    std::span<Formal> totals) const;
  // totals[i * b.lines + j] = sum over k of a(i, k) b(j, k); false if dots() is to do it.
  virtual bool products(const Panel<Formal>& a, const Panel<Formal>& b,
                        std::span<Formal> totals) const;

  Formal constant(double value) const;  // small fractions that round to `value` are taken exactly
  Formal poison() const;
  Formal infinity(bool negative) const;

  // What is remembered of how a value was made (never of what it happens to be equal to): the fresh
  // variables that it contains linearly, and of an exponential its exponent. So exp(n log a + b) =
  // a^n exp(b) and log(exp x) = x.
  Formal remember_log(const Formal& value, const Formal& argument) const;
  Formal remember_exponent(Formal result, const Formal& exponent) const;
  std::optional<Formal> exponent_of(const Formal& x) const;
  struct LogTerm {
    Formal argument;
    std::int64_t coefficient;
  };
  // `value` without its logarithms, and these with their coefficients.
  std::pair<Formal, std::vector<LogTerm>> split_logs(const Formal& value) const;
  using Terms = std::vector<std::pair<std::uint32_t, std::int64_t>>;  // variable, coefficient
  const Terms& terms_of(const Formal& value) const { return terms_of(value.memory); }
  // `value` without the fresh variables that terms_of() lists.
  Formal without_terms(const Formal& value) const;
  // The same value, about which nothing is remembered any more.
  virtual Formal forget(Formal value) const;
  // A positive variable, given its root of order kRootOrder: its roots are exact, and those of
  // products of such variables, and their logarithms.
  static constexpr std::int64_t kRootOrder = 12;
  Formal positive(const Formal& root) const;
  // c t1^n1 t2^n2 ..., c constant, t the roots of positive variables.
  struct Monomial {
    Formal coefficient;
    Terms powers;  // by number of the root
  };
  std::optional<Monomial> monomial_of(const Formal& x) const;
  const Formal& root(std::uint32_t number) const { return roots_[number]; }
  Formal value_of(const Monomial& monomial) const;
  Formal product(const Formal& value, const Monomial& a, const Monomial& b) const;
  // Certainly above 0: a product of positive variables and positive constants, or an exponential.
  bool certainly_positive(const Formal& x) const;

  // nullopt: too long to be remembered.
  std::optional<std::uint32_t> memory_of_sum(std::uint32_t a, std::uint32_t b) const;
  std::optional<std::uint32_t> memory_of_multiple(std::uint32_t memory, std::int64_t factor) const;

 protected:
  Algebra() = default;
  Formal new_variable(Formal value) const;  // `value`, remembered as a fresh variable
  const Formal& variable_value(std::uint32_t number) const { return variables_[number].value; }

 private:
  struct Variable {
    Formal value;
    std::optional<Formal> argument;  // of a logarithm
  };
  std::optional<std::uint32_t> intern(Terms terms) const;
  const Terms& terms_of(std::uint32_t memory) const;

  mutable std::vector<Variable> variables_;
  mutable std::vector<Terms> terms_ = {{}};  // memory 0: nothing
  mutable std::map<Terms, std::uint32_t> term_numbers_;
  mutable std::vector<Formal> exponents_;
  mutable std::vector<Formal> roots_;
  mutable std::vector<Monomial> monomials_;
  mutable bool has_logs_ = false;
};

Formal operator+(const Formal& a, const Formal& b);
Formal operator-(const Formal& a, const Formal& b);
Formal operator*(const Formal& a, const Formal& b);
Formal operator/(const Formal& a, const Formal& b);
Formal operator-(const Formal& a);
Formal like(const Formal& x, double c);
Formal abs(const Formal& x);
Formal sign(const Formal& x);
Formal exp(const Formal& x);
Formal log(const Formal& x);
Formal sqrt(const Formal& x);
Formal erf(const Formal& x);
Formal sin(const Formal& x);
Formal cos(const Formal& x);
Formal tan(const Formal& x);
Formal asin(const Formal& x);
Formal acos(const Formal& x);
Formal atan(const Formal& x);
Formal sinh(const Formal& x);
Formal cosh(const Formal& x);
Formal tanh(const Formal& x);
Formal asinh(const Formal& x);
Formal acosh(const Formal& x);
Formal atanh(const Formal& x);
Formal floor(const Formal& x);
Formal ceil(const Formal& x);
Formal round(const Formal& x);
Formal trunc(const Formal& x);
Formal sigmoid(const Formal& x);
Formal softplus(const Formal& x);
Formal is_nan(const Formal& x);
Formal is_inf(const Formal& x);
Formal pow(const Formal& a, const Formal& b);
Formal max(const Formal& a, const Formal& b);
Formal min(const Formal& a, const Formal& b);
Formal less(const Formal& a, const Formal& b);
Formal equal(const Formal& a, const Formal& b);
Formal mod(const Formal& a, const Formal& b);
Formal fmod(const Formal& a, const Formal& b);
Formal select(const Formal& c, const Formal& a, const Formal& b);
// The greatest of any number of values, in one step; -infinity of none.
Formal greatest(const Algebra& algebra, std::span<const Formal> values);

}  // namespace lamina
