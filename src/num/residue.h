// Residue: a value of the identity tester, known in the prime fields F_p and F_q with q | p - 1
// (arXiv:2506.04529; Mirage, arXiv:2405.05751, section 5).
//
// P holds the value mod p. Q holds the same value mod q and exists only for values that no
// exponential produced; exp(a) has P = omega^Q(a) with omega of order q in F_p, and no Q.
// A division by zero poisons a value: it is never replaced by a made-up number. -infinity and
// +infinity are tags. Operators without a homomorphism (max, compare, erf, roots, ...) become
// fresh random values keyed by operator and operands (docs/design/verify.md).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

namespace lamina {

class ResidueField;

struct Residue {
  enum class State : std::uint8_t { kFinite, kPoison, kMinusInfinity, kPlusInfinity };

  const ResidueField* field = nullptr;
  std::uint64_t p = 0;
  std::uint64_t q = 0;
  bool has_q = true;
  State state = State::kFinite;

  bool finite() const { return state == State::kFinite; }
  // Equal as far as the tester can see: same state and P, and same Q where both have one.
  bool agrees(const Residue& other) const;
};

// One tuple (p, q, omega) and the table of fresh values. Not thread safe: one per evaluation.
class ResidueField {
 public:
  // `next_random` gives uniform 64-bit words; it is kept and drawn from for every fresh value.
  // Requires primes with q | p - 1, q < p < 2^62 and omega of order q mod p.
  ResidueField(std::uint64_t p, std::uint64_t q, std::uint64_t omega,
               std::uint64_t (*next_random)(void*), void* random_state);

  std::uint64_t p() const { return p_; }
  std::uint64_t q() const { return q_; }
  std::uint64_t omega() const { return omega_; }

  Residue constant(double value) const;  // small fractions that round to `value` are taken exactly
  Residue integer(std::int64_t value) const;
  Residue random() const;  // uniform in both slots
  Residue poison() const;
  Residue infinity(bool negative) const;
  // The value of the uninterpreted function `name` at `operands`; the same operands give the same
  // value. Poison operands give poison. How many such values exist: fresh_count().
  Residue fresh(std::string_view name, std::span<const Residue> operands,
                bool commutative = false) const;
  std::size_t fresh_count() const { return table_.size(); }

  std::uint64_t mul_p(std::uint64_t a, std::uint64_t b) const;
  std::uint64_t mul_q(std::uint64_t a, std::uint64_t b) const;
  std::uint64_t exp_of(std::uint64_t exponent) const;  // omega^exponent mod p

 private:
  std::uint64_t p_;
  std::uint64_t q_;
  std::uint64_t omega_;
  std::uint64_t (*next_random_)(void*);
  void* random_state_;
  mutable std::map<std::vector<std::uint64_t>, std::pair<std::uint64_t, std::uint64_t>> table_;
};

Residue operator+(const Residue& a, const Residue& b);
Residue operator-(const Residue& a, const Residue& b);
Residue operator*(const Residue& a, const Residue& b);
Residue operator/(const Residue& a, const Residue& b);
Residue operator-(const Residue& a);
Residue like(const Residue& x, double c);
Residue abs(const Residue& x);
Residue sign(const Residue& x);
Residue exp(const Residue& x);
Residue log(const Residue& x);
Residue sqrt(const Residue& x);
Residue erf(const Residue& x);
Residue sin(const Residue& x);
Residue cos(const Residue& x);
Residue tan(const Residue& x);
Residue asin(const Residue& x);
Residue acos(const Residue& x);
Residue atan(const Residue& x);
Residue sinh(const Residue& x);
Residue cosh(const Residue& x);
Residue tanh(const Residue& x);
Residue asinh(const Residue& x);
Residue acosh(const Residue& x);
Residue atanh(const Residue& x);
Residue floor(const Residue& x);
Residue ceil(const Residue& x);
Residue round(const Residue& x);
Residue trunc(const Residue& x);
Residue sigmoid(const Residue& x);
Residue softplus(const Residue& x);
Residue is_nan(const Residue& x);
Residue is_inf(const Residue& x);
Residue pow(const Residue& a, const Residue& b);
Residue max(const Residue& a, const Residue& b);
Residue min(const Residue& a, const Residue& b);
Residue less(const Residue& a, const Residue& b);
Residue equal(const Residue& a, const Residue& b);
Residue mod(const Residue& a, const Residue& b);
Residue fmod(const Residue& a, const Residue& b);
Residue select(const Residue& c, const Residue& a, const Residue& b);

}  // namespace lamina
