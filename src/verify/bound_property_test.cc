// The bounds are majorants, and certificates are never given to dependent exponents: random
// programs against their exact normal forms.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "verify/bound_trial.h"
#include "verify/exact_form.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

using Random = std::mt19937;

std::size_t pick(Random& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

// One value in both forms.
struct Both {
  Formal majorant;
  ExactFraction exact;
};

// A program under construction, over the bounds and exactly at once.
class Bench {
 public:
  explicit Bench(std::size_t variables) {
    for (std::size_t i = 0; i < variables; ++i) {
      Monomial m{};
      m[i] = 1;
      IntegerPolynomial p;
      accumulate(p, m, 1);
      values.push_back({bounds.variable(static_cast<std::uint32_t>(i)), {ExactSum(p), {}}});
    }
    bounds.set_input_count(static_cast<std::uint32_t>(variables));
  }

  Both integer(std::int64_t value) {
    return {bounds.integer(value), {ExactSum(constant_polynomial(value)), {}}};
  }
  Both sum(const Both& a, const Both& b, bool minus) {
    return {minus ? a.majorant - b.majorant : a.majorant + b.majorant,
            forms.add(a.exact, b.exact, minus ? -1 : 1)};
  }
  Both product(const Both& a, const Both& b) {
    return {a.majorant * b.majorant, forms.multiply(a.exact, b.exact)};
  }
  std::optional<Both> quotient(const Both& a, const Both& b) {
    if (b.exact.numerator.zero()) return std::nullopt;
    return Both{a.majorant / b.majorant, forms.divide(a.exact, b.exact, b.majorant.p[1])};
  }
  std::optional<Both> exponential(const Both& a) {
    if (!a.majorant.has_q() || (a.majorant.constant && a.exact.numerator.zero())) {
      return std::nullopt;
    }
    const auto exact = forms.exponential(a.exact);
    if (!exact) return std::nullopt;
    return Both{exp(a.majorant), *exact};
  }
  // An inner product of n random pairs, in one step as an operator takes it.
  Both dot(Random& random, std::size_t n) {
    Values left, right;
    Both total = integer(0);
    for (std::size_t k = 0; k < n; ++k) {
      const Both& a = values[pick(random, values.size())];
      const Both& b = values[pick(random, values.size())];
      left.push_back(a.majorant);
      right.push_back(b.majorant);
      total.exact = forms.add(total.exact, forms.multiply(a.exact, b.exact), 1);
    }
    bounds.dots({left.data(), 1, 0}, {right.data(), 1, 0}, static_cast<std::int64_t>(n),
                {&total.majorant, 1});
    return total;
  }

  void step(Random& random) {
    const Both a = values[pick(random, values.size())];
    const Both b = values[pick(random, values.size())];
    std::optional<Both> next;
    switch (pick(random, 12)) {
      case 0:
      case 1:
        next = sum(a, b, false);
        break;
      case 2:
        next = sum(a, b, true);
        break;
      case 3:
      case 4:
        next = product(a, b);
        break;
      case 5:
        next = product(a, integer(static_cast<std::int64_t>(pick(random, 9)) - 4));
        break;
      case 6:
        next = sum(a, integer(static_cast<std::int64_t>(pick(random, 9)) - 4), false);
        break;
      case 7:
        next = quotient(a, integer(1 + static_cast<std::int64_t>(pick(random, 4))));
        break;
      case 8:
        next = quotient(a, b);
        break;
      case 9:
      case 10:
        next = exponential(a);
        break;
      default:
        next = dot(random, 1 + pick(random, 3));
    }
    if (next && next->majorant.finite()) values.push_back(*next);
  }

  BoundAlgebra bounds;
  ExactForms forms;
  std::vector<Both> values;
};

// Counts what was compared, so that a test that compares nothing fails.
struct Compared {
  int differences = 0;
  int exponents = 0;
  int fractions = 0;  // exponents with denominators
};

bool at_most(double exact, double log_bound) { return std::log2(exact) <= log_bound + 1e-9; }

void compare(Bench& bench, const Both& a, const Both& b, Compared& compared) {
  const ExactSum f = bench.forms.add(a.exact, b.exact, -1).numerator;
  const Polynomial bound =
      bench.bounds.difference(bench.bounds.fraction(a.majorant), bench.bounds.fraction(b.majorant));
  if (f.zero()) return;
  ++compared.differences;
  CHECK_FALSE(bound.zero);
  CHECK(at_most(static_cast<double>(f.terms().size()), bound.terms));
  double norm = 0.0;
  for (const ExactSum::Term& term : f.terms()) {
    norm += norm_of(term.factor);
    CHECK(degree_of(term.factor) <= bound.degree);
  }
  CHECK(at_most(norm, bound.norm));
  const ExponentDifference d =
      exponent_difference(bound.exponentials, {prime_profile(false), bench.bounds.exponents()});
  for (const ExactSum::Term& s : f.terms()) {
    for (const ExactSum::Term& t : f.terms()) {
      if (&s == &t) continue;
      const auto [numerator, denominators] =
          numerator_of(bench.forms.arguments(), combined(s.exponent, t.exponent, -1));
      ++compared.exponents;
      compared.fractions += denominators > 0 ? 1 : 0;
      CHECK(degree_of(numerator) <= d.degree);
      double height = 0.0;
      for (const auto& [m, c] : numerator) {
        height = std::max(height, static_cast<double>(c < 0 ? -c : c));
      }
      CHECK(at_most(height, d.height));
    }
  }
}

}  // namespace

TEST_CASE("the bounds are majorants of the exact normal form") {
  Random random(31);
  Compared compared;
  for (int program = 0; program < 3000; ++program) {
    CAPTURE(program);
    Bench bench(2 + pick(random, 3));
    try {
      const std::size_t steps = 4 + pick(random, 10);
      for (std::size_t i = 0; i < steps; ++i) bench.step(random);
      const std::size_t n = bench.values.size();
      compare(bench, bench.values[n - 1], bench.values[n - 2], compared);
      compare(bench, bench.values[n - 1], bench.values[pick(random, n)], compared);
    } catch (const TooLarge&) {
    }
  }
  MESSAGE(compared.differences, " differences, ", compared.exponents, " differences of exponents, ",
          compared.fractions, " of them with denominators");
  CHECK(compared.differences > 2000);
  CHECK(compared.exponents > 1000);
  CHECK(compared.fractions > 300);
}
