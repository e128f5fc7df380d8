// Polynomials in symbols s with s^2 = g or s^3 = g over the residues of a ResidueField, where g is
// such a polynomial in earlier symbols (docs/design/verify.md, "Roots").
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "num/residue_field.h"

namespace lamina {

class RootExtension {
 public:
  // coefficient * product of s_i^(digit i of powers), four bits a digit.
  struct Term {
    std::uint64_t powers = 0;
    Formal coefficient;
  };
  using Terms = std::vector<Term>;  // ascending powers, no coefficient certainly zero

  static constexpr std::size_t kMostGenerators = 12;
  static constexpr std::size_t kMostProducts = std::size_t{1} << 20;

  explicit RootExtension(const ResidueField& base) : base_(base) {}

  const ResidueField& base() const { return base_; }
  std::size_t size() const { return generators_.size(); }
  int order(std::size_t generator) const { return generators_[generator].order; }
  const Terms& radicand(std::size_t generator) const { return generators_[generator].radicand; }
  // The number of a new symbol. There may be kMostGenerators.
  std::size_t add(int order, Terms radicand);
  Terms symbol(std::size_t generator) const;

  Terms scalar(const Formal& residue) const;
  // The residue that the value is, if no symbol takes part.
  std::optional<Formal> as_scalar(const Terms& x) const;

  Terms sum(const Terms& a, const Terms& b) const;
  Terms negative(const Terms& x) const;
  // Throws std::length_error after kMostProducts products of coefficients in all: a polynomial in
  // twelve symbols may have thousands of terms.
  Terms product(const Terms& a, const Terms& b) const;
  // nullopt for a divisor of zero, in any lane.
  std::optional<Terms> inverse(const Terms& x) const;
  bool equal(const Terms& a, const Terms& b) const;
  Formal::Slot slot(const Terms& x) const;

  std::optional<std::size_t> highest_generator(const Terms& x) const;
  // The product of the values at all conjugates of that symbol.
  Terms norm(const Terms& x, std::size_t generator) const;

 private:
  struct Generator {
    int order = 2;
    Terms radicand;
  };

  std::vector<Terms> parts(const Terms& x, std::size_t generator) const;
  // y with x y = norm(x).
  Terms cofactor(const std::vector<Terms>& parts, std::size_t generator) const;

  const ResidueField& base_;
  std::vector<Generator> generators_;
  mutable std::size_t products_ = 0;
};

}  // namespace lamina
