// Bounds of values with roots: what a RootField did is done again over majorants
// (docs/design/verify.md, "Roots").
#pragma once

#include <cstddef>
#include <vector>

#include "num/root_tape.h"
#include "verify/bound_algebra.h"

namespace lamina {

class RootBounds final : public BoundAlgebra {
 public:
  explicit RootBounds(const RootTape& tape) : tape_(tape) {}

  Formal positive_input(const Formal& root) const;  // as RootField's
  Formal exponential(const Formal& x, bool turned) const override;
  Formal fresh(std::string_view name, std::span<const Formal> operands) const override;
  Formal greatest(std::span<const Formal> operands) const override;

  Formal root(int order, const Formal& x) const;
  Formal log(const Formal& x) const;

  // Whether the whole tape was used, and nothing else was asked for.
  bool in_step() const;
  // Values that were compared with small rationals: how often, and the largest majorant.
  double tests() const { return tests_; }
  const Polynomial& tested() const { return tested_; }

 private:
  const RootTape::Step* next_step(std::string_view function, const Formal& operand) const;
  void note_test(const Formal& operand, double tests) const;
  void note_factor(const Formal& x) const;
  Formal symbol(const RootTape::Made& made, const Formal& operand) const;

  const RootTape& tape_;
  mutable std::size_t next_step_ = 0;
  mutable bool in_step_ = true;
  mutable double tests_ = 0.0;
  mutable Polynomial factor_;  // numerators and denominators of what others are expressed by
  mutable Polynomial tested_;
  mutable std::vector<Formal> symbols_;
  mutable std::vector<Formal> logs_;
  mutable std::vector<Formal> log_arguments_;
  mutable std::vector<Formal> arguments_;  // of all exponentials
};

}  // namespace lamina
