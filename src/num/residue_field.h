// Formal values as residues: known modulo a prime p and, as exponents, modulo a prime q that
// divides p - 1 (arXiv:2506.04529; Mirage, arXiv:2405.05751, section 5), for four pairs (p, q) side
// by side.
//
// exp(a) is omega^a with omega of order q modulo p, so that exp(a + b) = exp(a) exp(b). Where -1
// has roots in both fields, so has the complex exponential, and with it sin and cos (Gonnet).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "num/formal.h"
#include "num/fresh_table.h"
#include "num/modulus.h"

namespace lamina {

// One pair of primes with what was drawn with it.
struct PrimePair {
  std::uint64_t p = 0;
  std::uint64_t q = 0;       // divides p - 1, below 2^32; p below 2^50
  std::uint64_t omega = 0;   // of order q modulo p
  std::uint64_t root_p = 0;  // of -1 modulo p, and modulo q; both 0 where they are not needed
  std::uint64_t root_q = 0;
};

class ResidueField final : public Algebra {
 public:
  // `next_random` gives uniform 64-bit words; it is kept and drawn from for every fresh value.
  ResidueField(const std::array<PrimePair, kLanes>& pairs, std::uint64_t (*next_random)(void*),
               void* random_state);
  // The same primes with nothing remembered: for one of many checks, at little cost.
  ResidueField(const ResidueField& primes, std::uint64_t (*next_random)(void*), void* random_state);

  Formal random() const;  // uniform in all lanes and both slots
  const std::array<PrimePair, kLanes>& pairs() const { return pairs_; }

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
  void dots(const Strided<Formal>& a, const Strided<Formal>& b, std::int64_t n,
            std::span<Formal> totals) const override;
  bool products(const Panel<Formal>& a, const Panel<Formal>& b,
                std::span<Formal> totals) const override;

  // How many fresh values each function has produced.
  std::map<std::string, std::size_t> fresh_counts() const { return table_.counts(); }
  // How often the greatest of several values was one of them, since all agreed.
  std::size_t idempotent_maxima() const { return idempotent_maxima_; }

  // Every exponential that was computed: its argument modulo q without the fresh variables that it
  // contains linearly, and these.
  struct Exponent {
    std::array<std::uint32_t, kLanes> rest;
    Terms variables;
  };
  const std::vector<Exponent>& exponents() const { return exponents_; }
  // Fresh values and decisions of leads() in the order in which they were asked for. A field that
  // is given the tape of another uses these in turn, whatever the operands are: so a point can be
  // moved while the fresh variables stay. `in_step` tells whether it fitted.
  struct Tape {
    std::vector<std::pair<std::string, Formal>> values;
    std::vector<bool> leads;
  };
  const Tape& tape() const { return tape_; }
  void follow(const Tape& tape) { followed_ = &tape; }
  bool in_step() const;

 private:
  // A value of greatest(): what is known of the values that it is the greatest of.
  struct Join {
    Formal key;  // the product of (shift + x) over all of them
    std::size_t count = 0;
    std::vector<Formal> parts;  // all of them, if they are few
  };

  Formal blank(Formal::Slot slot) const;
  std::uint64_t uniform(std::uint64_t bound) const;
  std::uint64_t power_of_omega(int lane, std::uint64_t exponent) const;
  Formal shifted(const Formal& x) const;
  Join join_of(const Formal& x) const;
  Join joined(std::span<const Formal> operands) const;

  std::array<PrimePair, kLanes> pairs_;
  std::array<Modulus, kLanes> p_;
  std::array<Modulus, kLanes> q_;
  std::uint64_t (*next_random_)(void*);
  void* random_state_;
  // [lane][position][digit]: omega^(digit * 256^position)
  std::shared_ptr<const std::vector<std::uint64_t>> powers_;
  mutable std::optional<Formal> shift_;  // secret, of the keys of joins; drawn when needed
  mutable FreshTable table_;
  mutable std::map<std::array<std::uint64_t, kLanes>, Join> joins_;
  mutable std::size_t idempotent_maxima_ = 0;
  mutable std::vector<Exponent> exponents_;
  mutable std::array<std::uint64_t, kLanes> divisor_{};  // the last one, and its inverse
  mutable std::array<std::uint64_t, kLanes> reciprocal_{};
  mutable Tape tape_;
  const Tape* followed_ = nullptr;
  mutable bool in_step_ = true;
};

}  // namespace lamina
