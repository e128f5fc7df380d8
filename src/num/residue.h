// Residue: a value of the identity tester, known in the prime fields F_p and F_q with q | p - 1
// (arXiv:2506.04529; Mirage, arXiv:2405.05751, section 5).
//
// P holds the value mod p. Q holds the same value mod q and exists only for values that no
// exponential produced; exp(a) has P = omega^Q(a) with omega of order q in F_p, and no Q.
// A division by zero poisons a value: it is never replaced by a made-up number. -infinity and
// +infinity are tags. Operators without a homomorphism (max, compare, erf, roots, ...) become
// fresh random values keyed by operator and operands (docs/design/verify.md).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lamina {

class ResidueField;

struct Residue {
  enum class State : std::uint8_t { kFinite, kPoison, kMinusInfinity, kPlusInfinity };
  // What is known mod q. Void: a division by zero mod q alone. Absent: an exponential took part.
  // In this order the slot of a sum or product is the maximum of its operands' slots.
  enum class Slot : std::uint8_t { kKnown, kVoid, kAbsent };

  const ResidueField* field = nullptr;
  std::uint64_t p = 0;
  std::uint32_t q = 0;  // 0 unless the slot is known
  State state = State::kFinite;
  Slot slot = Slot::kKnown;
  bool constant = false;  // made of literals and concrete integers only
  bool bit = false;       // certainly 0 or 1: a comparison, or made of comparisons

  bool finite() const { return state == State::kFinite; }
  bool has_q() const { return slot == Slot::kKnown; }
  // Both finite with the same P, and the same Q where both have one; or the same infinity. Poison
  // agrees with nothing, not even with itself.
  bool agrees(const Residue& other) const;
};

// One tuple (p, q, omega) and the table of fresh values. Not thread safe: one per evaluation.
class ResidueField {
 public:
  // `next_random` gives uniform 64-bit words; it is kept and drawn from for every fresh value.
  // p < 2^50 and q < 2^32 must be primes with q | p - 1 and omega of order q mod p.
  ResidueField(std::uint64_t p, std::uint64_t q, std::uint64_t omega,
               std::uint64_t (*next_random)(void*), void* random_state);

  std::uint64_t p() const { return p_.modulus; }
  std::uint64_t q() const { return q_.modulus; }
  std::uint64_t omega() const { return omega_; }

  Residue constant(double value) const;  // small fractions that round to `value` are taken exactly
  Residue integer(std::int64_t value) const;
  Residue random() const;  // uniform in both slots
  Residue poison() const;
  Residue infinity(bool negative) const;
  Residue finite(std::uint64_t p, std::uint64_t q, Residue::Slot slot) const;
  // The integer that a constant certainly is, if it is a small one.
  std::optional<std::int64_t> known_integer(const Residue& x) const;

  // The value of the uninterpreted function `name` at up to three operands; operands that agree
  // give the same value. Poison operands give poison. `counted`: listed in fresh_counts().
  Residue fresh(std::string_view name, std::span<const Residue> operands,
                bool counted = true) const;
  // The greatest of finite operands, as a free commutative, associative operation: a fresh value
  // keyed by the multiset of all the operands that were joined so far.
  Residue greatest(const Residue& a, const Residue& b) const;

  // How many fresh values each function has produced.
  std::map<std::string, std::size_t> fresh_counts() const;

  std::uint64_t mul_p(std::uint64_t a, std::uint64_t b) const { return p_.mul(a, b); }
  std::uint64_t mul_q(std::uint64_t a, std::uint64_t b) const { return q_.mul(a, b); }
  std::uint64_t inverse_p(std::uint64_t a) const { return p_.power(a, p() - 2); }
  std::uint64_t inverse_q(std::uint64_t a) const { return q_.power(a, q() - 2); }
  std::uint64_t exp_of(std::uint64_t exponent) const;  // omega^exponent mod p

 private:
  // Products modulo m < 2^50 by a floating-point quotient, which is off by at most one.
  struct Modulus {
    explicit Modulus(std::uint64_t m) : modulus(m), inverse(1.0 / static_cast<double>(m)) {}

    std::uint64_t mul(std::uint64_t a, std::uint64_t b) const {
      const double quotient = static_cast<double>(a) * static_cast<double>(b) * inverse;
      const std::uint64_t r = a * b - static_cast<std::uint64_t>(quotient) * modulus;
      if (static_cast<std::int64_t>(r) < 0) return r + modulus;
      return r >= modulus ? r - modulus : r;
    }
    std::uint64_t power(std::uint64_t base, std::uint64_t exponent) const;

    std::uint64_t modulus;
    double inverse;
  };

  // Function, states and P values of the operands; Q values stand in the entry, because two
  // computations of one value may know different slots of it.
  using Key = std::array<std::uint64_t, 4>;
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  struct Fresh {
    std::array<std::uint32_t, 3> operand_q;
    std::array<bool, 3> known;
    std::uint64_t p;
    std::uint32_t q;
  };
  struct Join {
    Residue tags;  // sum of the random tags of all joined operands
    Residue a, b;
  };

  std::uint64_t uniform(std::uint64_t modulus) const;
  std::uint64_t function_id(std::string_view name, bool counted) const;
  Residue tag(const Residue& x) const;
  const Join* join_of(const Residue& x) const;

  Modulus p_;
  Modulus q_;
  std::uint64_t omega_;
  std::uint64_t (*next_random_)(void*);
  void* random_state_;
  std::array<std::array<std::uint64_t, 256>, 4> powers_;  // omega^(digit * 256^position)
  struct Function {
    std::string name;
    bool counted;
    std::size_t values;
  };
  mutable std::vector<Function> functions_;
  mutable std::unordered_multimap<Key, Fresh, KeyHash> table_;
  mutable std::unordered_map<std::uint64_t, Join> joins_;  // by P of the result
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
