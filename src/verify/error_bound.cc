// The theorems in numbers.
#include "verify/error_bound.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "num/formal.h"

namespace lamina {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double log2_of(double x) { return x <= 0.0 ? kNever : std::log2(x); }

// Rounded up, at most 0: a probability of 1 proves nothing.
double probability(double x) {
  if (std::isnan(x)) return 0.0;
  return std::min(0.0, log2_of(x * (1.0 + 1e-9)));
}

// Primes of at least 2^`bits` that divide a non-zero number below 2^`size`.
double divisors_of(double size, double bits) { return std::floor(size / bits); }

struct Magnitudes {
  double x;  // bits of the smallest p
  double y;  // bits of the smallest q
  double lowest_p;
  double lowest_q;
  double exponent_primes;
  double candidates;
};

Magnitudes magnitudes(const PrimeProfile& primes) {
  return {std::log2(static_cast<double>(primes.smallest_p)),
          std::log2(static_cast<double>(primes.smallest_q)),
          static_cast<double>(primes.smallest_p),
          static_cast<double>(primes.smallest_q),
          static_cast<double>(primes.exponent_primes),
          static_cast<double>(primes.least_candidates)};
}

}  // namespace

ExponentDifference exponent_difference(double factors, const BoundContext& context) {
  const BoundAlgebra::Exponents& e = context.exponents;
  const double below = std::min(2.0 * factors, static_cast<double>(e.denominators));
  const double scale = context.primes.imaginary ? 2.0 : 1.0;  // a norm is a square
  const double below_norm = below == 0.0 ? 0.0 : below * e.denominator.norm;
  const double below_degree = below == 0.0 ? 0.0 : below * e.denominator.degree;
  return {e.numerator.degree + below_degree,
          scale * (1.0 + log2_of(std::max(1.0, factors)) + e.numerator.norm + below_norm)};
}

namespace {

// Primes p, with a root of -1 if there is one, modulo which a coefficient vanishes; and of how many
// q each of them is a candidate: of one in earnest, since q^2 > 2 p.
double vanishing_coefficient(double norm, const BoundContext& context) {
  const Magnitudes s = magnitudes(context.primes);
  const double roots = context.primes.imaginary ? 2.0 : 1.0;  // the norm is a square then
  return divisors_of(roots * norm, s.x) / roots * divisors_of(s.x + 1.0, s.y) /
         (s.exponent_primes * s.candidates);
}

// `terms`: how many different exponents there are.
double theorem_1(const Polynomial& f, double terms, const BoundContext& context) {
  const Magnitudes s = magnitudes(context.primes);
  if (!(terms <= s.lowest_q - 1.0)) return 1.0;
  const double point = f.degree / s.lowest_p;
  const double norm = f.norm * std::log(2.0) / (s.candidates * s.x * std::log(2.0));
  if (f.exponentials == 0.0) return point + std::min(norm, vanishing_coefficient(f.norm, context));
  const ExponentDifference d = exponent_difference(f.exponentials, context);
  return (terms - 1.0) * divisors_of(d.height, s.y) / s.exponent_primes +
         d.degree * (terms - 1.0) / s.lowest_q + norm + point;
}

// Different exponents made of the bases without a variable of their own: of each a term of F has at
// most as many factors as it has exponentials.
double dependent_exponents(const Polynomial& f, const Certificate& c) {
  double exponents = 1.0;
  for (const double span : c.spans) exponents *= f.exponentials * span + 1.0;
  return std::min(exponents, std::exp2(f.terms));
}

// That the independent exponentials meet a root, or that an own variable has the coefficient 0.
double independent_part(const Polynomial& f, const Certificate& c, const BoundContext& context) {
  const Magnitudes s = magnitudes(context.primes);
  const ExponentDifference d = exponent_difference(1.0, context);
  const double degree = f.exponentials * (c.positive + c.negative);
  return (degree + c.distinct_coefficients * d.degree) / s.lowest_q +
         c.distinct_coefficients * divisors_of(d.height, s.y) / s.exponent_primes;
}

double theorem_2(const Polynomial& f, const Certificate& c, const BoundContext& context) {
  const Magnitudes s = magnitudes(context.primes);
  return independent_part(f, c, context) + f.degree / s.lowest_p +
         vanishing_coefficient(f.norm, context);
}

}  // namespace

double TupleBound::best() const { return std::min({t1, t2, t12}); }

double add_probabilities(double a, double b) {
  const double high = std::max(a, b);
  if (std::isinf(high)) return high;
  return std::min(0.0, high + std::log2(1.0 + std::exp2(std::min(a, b) - high)) + 1e-9);
}

TupleBound tuple_bound(const Polynomial& difference, const std::optional<Certificate>& certificate,
                       const BoundContext& context) {
  TupleBound bound;
  if (difference.zero) return {kNever, kNever, kNever};
  bound.t1 = probability(theorem_1(difference, std::exp2(difference.terms), context));
  if (!certificate || difference.exponentials == 0.0) return bound;
  const Certificate& c = *certificate;
  if (c.uncertified == 0) bound.t2 = probability(theorem_2(difference, c, context));
  if (c.uncertified > 0 && c.apart) {
    BoundContext others = context;
    if (c.constant) {  // exponents that differ by constants never collide
      others.exponents.numerator.degree = 0.0;
      others.exponents.denominator.degree = 0.0;
    }
    bound.t12 = probability(theorem_1(difference, dependent_exponents(difference, c), others) +
                            independent_part(difference, c, context));
  }
  return bound;
}

namespace {

// That two operands of a function are taken for equal in one field.
double false_merge(const BoundAlgebra::Function& function, const BoundContext& context) {
  Polynomial difference = function.numerator * function.denominator;
  difference = difference + difference;
  const double one = std::exp2(tuple_bound(difference, std::nullopt, context).best());
  // A multiset of n operands is known by a product of n factors.
  const double lowest_p = static_cast<double>(context.primes.smallest_p);
  return function.operands > 1.0 ? function.operands * (one + 1.0 / lowest_p) : one;
}

}  // namespace

double false_merge_bound(const BoundAlgebra& bounds, const BoundContext& context) {
  const BoundAlgebra::Function& compared = bounds.comparisons();
  double total = log2_of(compared.values) + kLanes * probability(false_merge(compared, context));
  for (const auto& [name, function] : bounds.functions()) {
    // Each pair may meet directly or with the sign turned; the operands of one maximum as well.
    const double meetings =
        function.values * (function.operands > 1.0 ? function.values : function.values - 1.0);
    total = add_probabilities(
        total, log2_of(meetings) + kLanes * probability(false_merge(function, context)));
  }
  return total;
}

double false_exponent_bound(const BoundAlgebra& bounds, const BoundContext& context) {
  using Size = BoundAlgebra::ExponentSize;
  constexpr double kMultiples = 8.0;  // up to four times, of either sign
  const Magnitudes s = magnitudes(context.primes);
  double total = kNever;
  for (const auto& [a, count_a] : bounds.exponent_sizes()) {
    for (const auto& [b, count_b] : bounds.exponent_sizes()) {
      if (a.constant && a == b) {  // taken for 0
        const double divisors = divisors_of(a.numerator.norm, s.y) / s.exponent_primes;
        if (a.value.first != 0) {
          total = add_probabilities(total, kLanes * probability(divisors));
        }
        continue;
      }
      // Equal constants are one exponent.
      const double pairs = (a.constant ? 1.0 : count_a) * (b.constant ? 1.0 : count_b);
      // A constant changes one coefficient of the difference; any other shows it too.
      const Size& u = a.constant && !b.constant ? b : a;
      const Size& v = b.constant && !a.constant ? a : b;
      const Polynomial left = u.numerator * v.denominator;
      const Polynomial difference =
          a.constant != b.constant ? left : left + v.numerator * u.denominator;
      const double degree = std::max(left.degree, (v.numerator * u.denominator).degree);
      const double height = difference.norm + 2.0;  // of a multiple up to four
      const double scale = context.primes.imaginary ? 2.0 : 1.0;
      const double one = (a.constant && b.constant ? 0.0 : degree) / s.lowest_q +
                         divisors_of(scale * height, s.y) / s.exponent_primes;
      total = add_probabilities(total, log2_of(pairs * kMultiples) + kLanes * probability(one));
    }
  }
  return total;
}

}  // namespace lamina
