// The same numbers as ResidueField, evaluated once more: plainly, slowly and by other code.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "num/formal.h"
#include "verify/secret_random.h"

namespace lamina {

// p, q, omega, roots of -1 modulo p and q (0: none), as in lamina/verify.h, FieldTuple.
struct PlainPair {
  std::uint64_t p = 0;
  std::uint64_t q = 0;
  std::uint64_t omega = 0;
  std::uint64_t root_p = 0;
  std::uint64_t root_q = 0;
};

// Gives bit for bit the values of a ResidueField with the same primes and random words. The rules
// that both follow are those of docs/design/verify.md ("Abstraction", "Undefined values").
class PlainField final : public Algebra {
 public:
  // `random` is kept and drawn from for every fresh value.
  PlainField(const std::array<PlainPair, kLanes>& pairs, SecretRandom& random)
      : pairs_(pairs), random_(random) {}

  Formal random() const;  // lane by lane, P before Q

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

  // How many fresh values each function has produced.
  const std::map<std::string, std::int64_t>& fresh_counts() const { return fresh_counts_; }

 private:
  using Residues = std::array<std::uint64_t, kLanes>;
  using Key = std::tuple<std::string, std::vector<Formal::State>, std::vector<Residues>>;
  struct Entry {
    std::vector<Formal> operands;
    Formal value;
  };
  // What a value of greatest() is the greatest of.
  struct Join {
    Formal product;             // of (secret + x) over `count` values x
    std::size_t count = 1;      // with repetitions, if there are more than eight values
    std::vector<Formal> parts;  // the values, each once; empty: more than eight
  };

  Formal blank(Formal::Slot slot) const;
  Formal shifted(const Formal& x) const;
  Join join_of(const Formal& x) const;
  Join joined(std::span<const Formal> operands) const;

  std::array<PlainPair, kLanes> pairs_;
  SecretRandom& random_;
  mutable std::optional<Formal> secret_;
  mutable std::map<Key, std::vector<Entry>> functions_;
  mutable std::map<std::string, std::int64_t> fresh_counts_;
  mutable std::map<Residues, Join> joins_;
};

}  // namespace lamina
