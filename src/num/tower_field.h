// Formal values with exponentials inside exponents (docs/design/verify.md, "Nested exponentials").
//
// A value has its residues modulo p and, as an exponent, a sum of basis elements [r] with residues
// modulo q as coefficients, [r] standing for e^r and [0] for 1. Each [r] has a random weight
// modulo q, so the sum is one exponent of omega. Basis elements are known by their own sums.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "num/residue_field.h"

namespace lamina {

// For graphs of few scalars: all values are kept. Throws std::length_error when there are too many.
class TowerField final : public Algebra {
 public:
  explicit TowerField(const ResidueField& base);

  Formal lift(const Formal& residue) const;

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

  // The slot of every quotient, in order: whether it may be an exponent.
  const std::vector<Formal::Slot>& quotients() const { return quotients_; }
  std::size_t basis_size() const { return basis_.size(); }

 private:
  using Residues = std::array<std::uint32_t, kLanes>;
  using Sum = std::vector<std::pair<std::uint32_t, Residues>>;  // basis element, coefficient
  struct Element {
    Formal residue;  // of the base; its own exponent slot is not used
    Sum exponent;    // ascending, no coefficient zero in all lanes
  };

  const Element& element(const Formal& x) const { return elements_[x.p[0]]; }
  Formal kept(Element element, Formal::Slot slot) const;
  Formal plain(const Formal& x) const;
  std::uint32_t number_of(const Sum& exponent) const;
  std::uint32_t product_of(std::uint32_t a, std::uint32_t b) const;
  Sum sum(const Sum& a, const Sum& b) const;
  Sum scaled(const Sum& x, const Residues& factor, std::uint32_t times) const;

  const ResidueField& base_;
  std::array<Modulus, kLanes> q_;
  mutable std::vector<Element> elements_;
  mutable std::vector<Sum> basis_;
  mutable std::map<Sum, std::uint32_t> numbers_;
  mutable std::vector<Formal> weights_;
  mutable std::vector<Formal::Slot> quotients_;
};

}  // namespace lamina
