// A certificate of independence is never given to exponents that lack the property: random
// exponents against an exact search, and the traps.
#include "verify/certificate.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "verify/bound_trial.h"
#include "verify/exact_form.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

using Random = std::mt19937;

std::size_t pick(Random& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

// Exponents as a straight-line program: the inputs, then one value a step.
struct Step {
  enum Kind { kAdd, kSubtract, kMultiply, kScale, kShift, kDivide, kDot } kind;
  std::size_t a, b;
  std::int64_t number;
};

struct Exponents {
  std::size_t variables;
  std::vector<Step> steps;
  std::vector<std::size_t> chosen;  // values that are exponentiated
};

Exponents random_exponents(Random& random) {
  Exponents e;
  e.variables = 2 + pick(random, kExactVariables - 1);
  for (std::size_t i = pick(random, 9); i > 0; --i) {
    const std::size_t known = e.variables + e.steps.size();
    e.steps.push_back({static_cast<Step::Kind>(pick(random, 7)), pick(random, known),
                       pick(random, known), static_cast<std::int64_t>(pick(random, 9)) - 4});
  }
  for (std::size_t i = 1 + pick(random, 4); i > 0; --i) {
    // The later values are the more interesting ones.
    const std::size_t known = e.variables + e.steps.size();
    e.chosen.push_back(std::max(pick(random, known), pick(random, known)));
  }
  return e;
}

// The product of neighbours, summed in one step as an operator does it.
Formal dot(const Values& values, std::size_t a, std::size_t b, std::size_t n) {
  Values left, right;
  for (std::size_t k = 0; k < n; ++k) {
    left.push_back(values[(a + k) % values.size()]);
    right.push_back(values[(b + k) % values.size()]);
  }
  Formal total = values[0].algebra->integer(0);
  total.algebra->dots({left.data(), 1, 0}, {right.data(), 1, 0}, static_cast<std::int64_t>(n),
                      {&total, 1});
  return total;
}

constexpr std::size_t kDotLength = 3;

Formal run(const Exponents& e, const Values& inputs) {
  const Algebra& algebra = *inputs[0].algebra;
  Values v = inputs;
  for (const Step& s : e.steps) {
    switch (s.kind) {
      case Step::kAdd:
        v.push_back(v[s.a] + v[s.b]);
        break;
      case Step::kSubtract:
        v.push_back(v[s.a] - v[s.b]);
        break;
      case Step::kMultiply:
        v.push_back(v[s.a] * v[s.b]);
        break;
      case Step::kScale:
        v.push_back(v[s.a] * algebra.integer(s.number));
        break;
      case Step::kShift:
        v.push_back(v[s.a] + algebra.integer(s.number));
        break;
      case Step::kDivide:
        v.push_back(v[s.a] / (v[s.b] + algebra.integer(5)));
        break;
      case Step::kDot:
        v.push_back(dot(v, s.a, s.b, kDotLength));
    }
  }
  Formal sum = algebra.integer(0);
  std::int64_t factor = 2;
  for (const std::size_t c : e.chosen) sum = sum + algebra.integer(factor++) * exp(v[c]);
  return sum;
}

struct Exact {
  IntegerPolynomial numerator, denominator;
};

Exact plus(const Exact& a, const Exact& b, int factor) {
  return {verify_test::plus(times(a.numerator, b.denominator), times(b.numerator, a.denominator),
                            factor),
          times(a.denominator, b.denominator)};
}
Exact times(const Exact& a, const Exact& b) {
  return {verify_test::times(a.numerator, b.numerator),
          verify_test::times(a.denominator, b.denominator)};
}
Exact whole(std::int64_t n) { return {constant_polynomial(n), constant_polynomial(1)}; }

std::vector<Exact> exact(const Exponents& e) {
  std::vector<Exact> v;
  for (std::size_t i = 0; i < e.variables; ++i) {
    Monomial m{};
    m[i] = 1;
    IntegerPolynomial p;
    accumulate(p, m, 1);
    v.push_back({p, constant_polynomial(1)});
  }
  for (const Step& s : e.steps) {
    switch (s.kind) {
      case Step::kAdd:
      case Step::kSubtract:
        v.push_back(plus(v[s.a], v[s.b], s.kind == Step::kAdd ? 1 : -1));
        break;
      case Step::kMultiply:
        v.push_back(times(v[s.a], v[s.b]));
        break;
      case Step::kScale:
        v.push_back(times(v[s.a], whole(s.number)));
        break;
      case Step::kShift:
        v.push_back(plus(v[s.a], whole(s.number), 1));
        break;
      case Step::kDivide: {
        const Exact below = plus(v[s.b], whole(5), 1);
        if (below.numerator.empty()) throw TooLarge{};
        v.push_back(times(v[s.a], Exact{below.denominator, below.numerator}));
        break;
      }
      case Step::kDot: {
        Exact total = whole(0);
        for (std::size_t k = 0; k < kDotLength; ++k) {
          total = plus(total, times(v[(s.a + k) % v.size()], v[(s.b + k) % v.size()]), 1);
        }
        v.push_back(total);
      }
    }
  }
  std::vector<Exact> chosen;
  for (const std::size_t c : e.chosen) chosen.push_back(v[c]);
  return chosen;
}

bool equal(const Exact& a, const Exact& b, std::int64_t factor) {
  return plus(a, times(b, whole(factor)), -1).numerator.empty();
}

// Those that are no small multiple of an earlier one.
std::vector<Exact> bases_of(const std::vector<Exact>& exponents) {
  std::vector<Exact> bases;
  for (const Exact& x : exponents) {
    bool known = x.numerator.empty();
    for (const Exact& base : bases) {
      for (const std::int64_t factor : {1, -1, 2, -2, 3, -3, 4, -4}) {
        known = known || equal(x, base, factor);
      }
    }
    if (!known) bases.push_back(x);
  }
  return bases;
}

int degree_in(const IntegerPolynomial& p, std::size_t variable) {
  int most = 0;
  for (const auto& [m, c] : p) most = std::max(most, static_cast<int>(m[variable]));
  return most;
}

// How many bases have a variable of their own, affine in it: those of earlier rounds leave.
std::size_t peeled(std::vector<Exact> left) {
  const std::size_t all = left.size();
  for (bool again = true; again;) {
    again = false;
    for (std::size_t i = 0; i < left.size() && !again; ++i) {
      for (std::size_t x = 0; x < kExactVariables && !again; ++x) {
        bool own = degree_in(left[i].numerator, x) == 1 && degree_in(left[i].denominator, x) == 0;
        for (std::size_t k = 0; k < left.size(); ++k) {
          own = own && (k == i || (degree_in(left[k].numerator, x) == 0 &&
                                   degree_in(left[k].denominator, x) == 0));
        }
        if (!own) continue;
        left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
        again = true;
      }
    }
  }
  return all - left.size();
}

Formal none(const Values& x) { return x[0].algebra->integer(0); }

std::optional<Certificate> certificate(std::size_t variables, const Program& program) {
  return Trial(large_pairs(), 5, variables, program, none).certificate();
}

bool independent(std::size_t variables, const Program& program) {
  const auto found = certificate(variables, program);
  REQUIRE(found);
  return found->uncertified == 0;
}

}  // namespace

TEST_CASE("random exponents: a certificate means that an exact search finds one as well") {
  Random random(41);
  int certified = 0, refused = 0, partly = 0, missed = 0;
  for (int i = 0; i < 4000; ++i) {
    CAPTURE(i);
    const Exponents e = random_exponents(random);
    std::vector<Exact> bases;
    try {
      bases = bases_of(exact(e));
    } catch (const TooLarge&) {
      continue;
    }
    Trial trial(
        large_pairs(), static_cast<std::uint32_t>(i), e.variables,
        [&](const Values& x) { return run(e, x); }, none);
    const auto found = trial.certificate();
    if (!found) continue;
    CHECK(found->bases == bases.size());
    const std::size_t own = found->bases - found->uncertified;
    const std::size_t possible = peeled(bases);
    CHECK(own <= possible);
    if (own > 0) CHECK(found->distinct_coefficients >= 1.0);
    certified += found->uncertified == 0 && own > 0 ? 1 : 0;
    partly += found->uncertified > 0 && own > 0 ? 1 : 0;
    refused += possible < bases.size() ? 1 : 0;
    missed += own < possible ? 1 : 0;
  }
  MESSAGE(certified, " certified, ", partly, " in part; ", refused, " dependent, ", missed,
          " independent ones missed");
  CHECK(certified > 500);
  CHECK(partly > 100);
  CHECK(refused > 500);
}

TEST_CASE("exponents that look independent") {
  using V = const Values&;
  CHECK(independent(2, [](V x) { return exp(x[0]) + exp(x[1]); }));
  CHECK(independent(3, [](V x) { return exp(x[0] + x[2]) + exp(x[1] * x[2]); }));
  // Copies up to a small factor are one exponent; half of a known one is another.
  const auto multiples = [](std::int64_t first, std::int64_t second) {
    return [=](V x) {
      const Formal one = exp(x[0] * x[0].algebra->integer(first));
      return one + exp(x[0] * x[0].algebra->integer(second));
    };
  };
  for (const std::int64_t factor : {-4, -3, -2, -1, 1, 2, 3, 4}) {
    CHECK(independent(1, multiples(1, factor)));
  }
  CHECK_FALSE(independent(1, multiples(1, 5)));
  CHECK_FALSE(independent(1, multiples(2, 1)));
  CHECK_FALSE(independent(2, [](V x) { return exp(x[0]) + exp(x[1]) + exp(x[0] + x[1]); }));
  CHECK_FALSE(independent(1, [](V x) { return exp(x[0]) + exp(x[0] * x[0]); }));
  CHECK_FALSE(independent(1, [](V x) { return exp(x[0] * x[0]); }));
  CHECK_FALSE(independent(2, [](V x) { return exp(x[0] / x[1]) + exp(x[1] / x[0]); }));
  // {g, c g, h, c h}: four exponents, three degrees of freedom.
  CHECK_FALSE(independent(
      3, [](V x) { return exp(x[0]) + exp(x[0] * x[2]) + exp(x[1]) + exp(x[1] * x[2]); }));
  // The own variable has the coefficient 0.
  CHECK_FALSE(independent(3, [](V x) { return exp(x[1] * (x[0] - x[0]) + x[2] * x[2]); }));
  CHECK_FALSE(independent(2, [](V x) {
    return exp((x[0] + x[1]) * (x[0] - x[1]) - x[0] * x[0] + x[1] * x[1] + x[1] * x[1]);
  }));
}

TEST_CASE("inner products keep track of what is not linear") {
  // (2 a + b)(2 c + d) + (a + b + c)(c + 2 d): c occurs squared, in the second product only.
  const auto exponent = [](const Values& x) {
    const Formal left[] = {x[1] + x[1] + x[2], x[1] + x[2] + x[0]};
    const Formal right[] = {x[0] + x[0] + x[3], x[3] + x[3] + x[0]};
    Formal total = x[0].algebra->integer(0);
    total.algebra->dots({left, 1, 0}, {right, 1, 0}, 2, {&total, 1});
    return total;
  };
  Trial trial(
      large_pairs(), 1, 4, [&](const Values& x) { return exponent(x); }, none);
  CHECK(trial.bounds().support(trial.majorant(0)).nonlinear.contains(0));
}

TEST_CASE("fresh variables are bases, but not of real and turned exponentials at once") {
  using V = const Values&;
  CHECK(independent(2, [](V x) { return exp(erf(x[0])) + exp(x[1] * erf(x[0]) + erf(x[1])); }));
  CHECK_FALSE(independent(1, [](V x) { return exp(erf(x[0]) * erf(x[0])); }));
  SecretRandom random = seeded(7);
  std::array<PrimePair, kLanes> pairs;
  for (PrimePair& pair : pairs) pair = draw_pair(prime_profile(true), random);
  Trial trial(
      pairs, 1, 1, [](V x) { return exp(erf(x[0])) - cos(erf(x[0])); }, none);
  const auto found = trial.certificate();
  REQUIRE(found);
  CHECK(found->uncertified > 0);
  CHECK_FALSE(found->apart);
}
