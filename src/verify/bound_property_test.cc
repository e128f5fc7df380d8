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

namespace {

// The same power of x by other products.
Formal power_of(const Formal& x, int n, bool other) {
  Formal result = x;
  for (int i = 1; i < n; ++i) result = other ? x * result : result * x;
  return result;
}

// x^40 in two computations that only a field knows to be equal.
constexpr int kDegree = 40;

// Whether the bounds of a program admit what it is in the fields, x^40 or its exponential, if it
// agrees with that; or no bound holds at all.
bool covered(const Program& program, bool exponential = false) {
  const auto power = [=](const Values& x) {
    const Formal p = power_of(x[0], kDegree, false);
    return exponential ? exp(p) : p;
  };
  const Trial same(large_pairs(), 3, 4, program, power);
  REQUIRE(same.value(0).finite());
  if (!same.value(0).agrees(same.value(1))) return true;
  const Trial alone(large_pairs(), 3, 4, program,
                    [](const Values& x) { return x[0].algebra->integer(0); });
  if (alone.bounds().overflowed()) return true;
  return exponential ? alone.difference().exponentials >= 1.0 &&
                           alone.bounds().exponents().numerator.degree >= kDegree
                     : alone.difference().degree >= kDegree;
}

}  // namespace

TEST_CASE("what a field concludes from agreement, the bounds cover") {
  using V = const Values&;
  const auto p = [](V x) { return power_of(x[0], kDegree, false); };
  const auto q = [](V x) { return power_of(x[0], kDegree, true); };
  const auto one = [](V x) { return x[0].algebra->integer(1); };
  // A selection, comparison or maximum of equal values, seen through by a logarithm.
  CHECK(covered([&](V x) { return log(select(less(x[1], x[2]), exp(p(x)), exp(q(x)))); }));
  CHECK(covered([&](V x) { return log(max(exp(p(x)), exp(q(x)))); }));
  CHECK(covered([&](V x) { return log(select(less(p(x), q(x)), exp(x[1]), exp(p(x)))); }));
  CHECK(covered([&](V x) { return log(select(equal(p(x), q(x)), exp(p(x)), exp(x[1]))); }));
  CHECK(covered([&](V x) {
    return log(select(equal(p(x) - q(x), one(x) * x[0].algebra->integer(0)), exp(p(x)), exp(x[1])));
  }));
  // An exponent that one of two equal values has.
  const auto lost = [&](V x) { return p(x) * exp(x[1]) / exp(x[1]); };
  CHECK(covered([&](V x) { return exp(select(less(x[1], x[2]), lost(x), q(x))); }, true));
  CHECK(covered([&](V x) { return exp(max(q(x), lost(x))); }, true));
  CHECK(covered([&](V x) { return exp(max(lost(x), q(x))); }, true));
  CHECK(covered([&](V x) { return exp(select(equal(p(x), q(x)), p(x), lost(x))); }, true));
}

TEST_CASE("equal logarithms add up: their argument to a power that counts them") {
  // Forty logarithms of x: one variable for a field, forty for the bounds.
  const auto sum_of = [](const Values& x) {
    Formal sum = log(x[0] + x[1] - x[1]);
    for (int i = 1; i < kDegree; ++i) sum = sum + log(x[0] + x[1] - x[1]);
    return exp(sum);
  };
  CHECK(covered(sum_of));
  const auto doubled = [](const Values& x) {
    Formal l = log(x[0]) - log(x[0] * x[0].algebra->integer(1)) + log(x[0]);
    for (int i = 0; i < 3; ++i) l = l + l;
    return exp(l * x[0].algebra->integer(5));
  };
  CHECK(covered(doubled));
  // Long sums have negatives.
  const auto negated = [](const Values& x) {
    Formal l = erf(x[0]);
    for (int i = 0; i < 8; ++i) l = l + l;
    return -l + l;
  };
  const Trial trial(large_pairs(), 3, 1, negated,
                    [](const Values& x) { return x[0].algebra->integer(0); });
  CHECK(trial.value(0).agrees(trial.value(1)));
}

TEST_CASE("reciprocals of nested exponentials have their degrees") {
  // The fresh variable of exp(-y), y an exponential, is that of exp(y) to the power -1.
  const auto sum = [](const Values& x) {
    Formal total = x[0].algebra->integer(0);
    for (const Formal& v : x) total = total + exp(exp(v)) + exp(-exp(v));
    return total;
  };
  const Trial trial(large_pairs(), 3, 4, sum,
                    [](const Values& x) { return x[0].algebra->integer(7); });
  // Over the product of four variables, sums of squares of each: degree 5.
  CHECK(trial.difference().degree >= 5.0);
}

TEST_CASE("comparisons that may agree by chance are part of the error of a pass") {
  // Thousands of exponentials against an input: if they agree, less() is 0.
  const auto program = [](const Values& x) {
    Formal sum = x[0].algebra->integer(0);
    for (int i = 1; i <= 1000; ++i) sum = sum + exp(x[0] * x[0].algebra->integer(i));
    return select(less(sum, x[1]), x[2], x[3]);
  };
  const Trial trial(large_pairs(), 3, 4, program, [](const Values& x) { return x[3]; });
  const BoundContext context{prime_profile(false), trial.bounds().exponents()};
  Polynomial sum{std::log2(1000.0), std::log2(1000.0), 1.0, 1.0, false};
  const double one = tuple_bound(sum, std::nullopt, context).best();
  CHECK(one > -20.0);
  CHECK(false_merge_bound(trial.bounds(), context) >= kLanes * one);
}
