// Bounds of values with nested exponentials (docs/design/verify.md, "Nested exponentials").
#pragma once

#include <cstddef>
#include <span>

#include "verify/bound_algebra.h"

namespace lamina {

class TowerBounds final : public BoundAlgebra {
 public:
  // `quotients`: the slot of every quotient of the field, in order.
  explicit TowerBounds(std::span<const Formal::Slot> quotients) : quotients_(quotients) {}

  Formal divide(const Formal& a, const Formal& b) const override;
  Formal exponential(const Formal& x, bool turned) const override;

  // Whether there were as many quotients.
  bool in_step() const { return next_ == quotients_.size(); }
  std::size_t exponentials() const { return exponentials_; }
  // The most exponentials in a term of an exponent.
  double most_factors() const { return most_factors_; }

 private:
  std::span<const Formal::Slot> quotients_;
  mutable std::size_t next_ = 0;
  mutable std::size_t exponentials_ = 0;
  mutable double most_factors_ = 1.0;
};

}  // namespace lamina
