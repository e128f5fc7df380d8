// Linear inequalities: contradictions are found, and only those.
#include "verify/inequalities.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/rng.h"

using namespace lamina;

namespace {

// Sum of c[i] * atom i, plus the constant.
LinearForm form(std::vector<std::int64_t> c, std::int64_t constant = 0) {
  LinearForm result = LinearForm::integer(constant);
  for (std::uint32_t i = 0; i < c.size(); ++i) {
    const auto term = product(LinearForm::atom(i), LinearForm::integer(c[i]));
    result = *sum(result, *term);
  }
  return result;
}

double value(const LinearForm& f, const std::map<std::uint32_t, double>& point) {
  double total = static_cast<double>(f.constant);
  for (const auto& [atom, coefficient] : f.terms) {
    const auto found = point.find(atom);
    total += static_cast<double>(coefficient) * (found == point.end() ? 0.5 : found->second);
  }
  return total / static_cast<double>(f.denominator);
}

}  // namespace

TEST_CASE("linear forms are reduced, and compared by direction") {
  const LinearForm f = *quotient(form({2, -4}, 6), LinearForm::integer(4));
  CHECK(f == LinearForm{{{0, 1}, {1, -2}}, 3, 2});
  CHECK(f.primitive() == form({1, -2}, 3));
  CHECK(*sum(f, -f) == LinearForm::integer(0));
  CHECK(form({0, -3}, 3).primitive() == form({0, -1}, 1));
  CHECK(form({0, -3}, 3).leading_sign() == -1);
  const LinearForm large = LinearForm::integer(INT64_MAX);
  CHECK_FALSE(sum(large, large).has_value());
  CHECK_FALSE(product(large, large).has_value());
  CHECK_FALSE(quotient(form({1}), LinearForm::integer(0)).has_value());
}

TEST_CASE("strict and weak inequalities") {
  CHECK(solve({{form({1, -1}), true}, {form({-1, 1}), true}}).infeasible);
  CHECK_FALSE(solve({{form({1, -1}), false}, {form({-1, 1}), false}}).infeasible);
  CHECK(solve({{form({1, -1}), false}, {form({-1, 1}), true}}).infeasible);
  // a > b > c > a + 1.
  CHECK(solve({{form({1, -1, 0}), true}, {form({0, 1, -1}), true}, {form({-1, 0, 1}, -1), true}})
            .infeasible);
  CHECK_FALSE(
      solve({{form({1, -1, 0}), true}, {form({0, 1, -1}), true}, {form({-1, 0, 1}, 1), true}})
          .infeasible);
  CHECK(solve({{LinearForm::integer(-1), false}}).infeasible);
  CHECK(solve({{LinearForm::integer(0), true}}).infeasible);
  CHECK_FALSE(solve({{LinearForm::integer(0), false}}).infeasible);
}

TEST_CASE("systems made around a point are feasible, and the point that is found fulfils them") {
  Rng rng(3);
  for (int round = 0; round < 300; ++round) {
    const int atoms = 1 + round % 5;
    std::map<std::uint32_t, double> inside;
    for (int i = 0; i < atoms; ++i) {
      inside[static_cast<std::uint32_t>(i)] = std::floor(rng.uniform(-9, 9));
    }
    std::vector<Inequality> system;
    for (int k = 0; k < 8; ++k) {
      std::vector<std::int64_t> c;
      for (int i = 0; i < atoms; ++i) c.push_back(std::llround(rng.uniform(-3.5, 3.5)));
      LinearForm f = form(c, std::llround(rng.uniform(-9, 9)));
      const double at = value(f, inside);
      if (at == 0.0) {
        system.push_back({f, false});
        system.push_back({-f, false});
      } else {
        system.push_back({at > 0 ? f : -f, true});
      }
    }
    const Feasibility found = solve(system);
    REQUIRE_FALSE(found.infeasible);
    if (!found.point) continue;
    for (const Inequality& each : system) {
      const double at = value(each.form, *found.point);
      CHECK(at > (each.strict ? 0.0 : -1e-6));
    }
  }
}

TEST_CASE("a positive combination that is negative is a contradiction") {
  Rng rng(4);
  for (int round = 0; round < 200; ++round) {
    std::vector<Inequality> system;
    LinearForm total = LinearForm::integer(0);
    for (int k = 0; k < 5; ++k) {
      std::vector<std::int64_t> c;
      for (int i = 0; i < 4; ++i) c.push_back(std::llround(rng.uniform(-3.5, 3.5)));
      const LinearForm f = form(c, std::llround(rng.uniform(-5, 5)));
      system.push_back({f, false});
      const auto times = LinearForm::integer(std::llround(rng.uniform(0.5, 3.4)));
      total = *sum(total, *product(f, times));
    }
    system.push_back({-total, true});
    CHECK(solve(system).infeasible);
    system.back().strict = false;
    CHECK_FALSE(solve({system.back()}).infeasible);
  }
}
