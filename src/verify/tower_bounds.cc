// Majorants of exponents that contain exponentials.
#include "verify/tower_bounds.h"

#include <algorithm>

namespace lamina {

Formal TowerBounds::divide(const Formal& a, const Formal& b) const {
  Formal quotient = BoundAlgebra::divide(a, b);
  // One more than there were is out of step, which in_step() sees.
  if (next_ < quotients_.size() && quotient.finite()) quotient.slot = quotients_[next_];
  ++next_;
  return quotient;
}

// Among exponents every product of exponentials is a variable, its weight: one degree more.
Formal TowerBounds::exponential(const Formal& x, bool turned) const {
  ++exponentials_;
  Fraction argument = fraction(x);
  most_factors_ = std::max(
      {most_factors_, argument.numerator.exponentials, denominator(argument).exponentials});
  argument.numerator.degree += 1.0;
  Formal result = BoundAlgebra::exponential(with_fraction(x, argument), turned);
  result.slot = Formal::Slot::kKnown;
  return result;
}

}  // namespace lamina
