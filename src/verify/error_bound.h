// How likely it is that different graphs agree in one pass (docs/design/verify.md, "Bounds").
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "verify/bound_algebra.h"
#include "verify/certificate.h"
#include "verify/primes.h"

namespace lamina {

// Bounds of the probability that one pair of primes does not tell a non-zero difference from zero,
// as binary logarithms: at most 0.
struct TupleBound {
  double t1 = 0.0;   // any exponents
  double t2 = 0.0;   // independent exponents; 0 without a certificate
  double t12 = 0.0;  // some of them independent

  double best() const;
};

// What does not depend on the element that is looked at.
struct BoundContext {
  PrimeProfile primes;
  BoundAlgebra::Exponents exponents;
};

// Of the numerator of the difference of two exponents in which up to `factors` exponentials each
// take part.
struct ExponentDifference {
  double degree;
  double height;  // binary logarithm
};
ExponentDifference exponent_difference(double factors, const BoundContext& context);

// `difference`: majorants of the difference of two values; `certificate` of all exponentials in it.
TupleBound tuple_bound(const Polynomial& difference, const std::optional<Certificate>& certificate,
                       const BoundContext& context);

// That some two of the operands of fresh variables are taken for equal though they differ, in all
// lanes of a pass; a binary logarithm.
double false_merge_bound(const BoundAlgebra& bounds, const BoundContext& context);

// That some two exponents, or small multiples of them, are taken for equal though they differ, in
// all lanes of a pass.
double false_exponent_bound(const BoundAlgebra& bounds, const BoundContext& context);

// log2(2^a + 2^b).
double add_probabilities(double a, double b);

}  // namespace lamina
