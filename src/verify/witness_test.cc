// Witnesses: shrunk to small numbers where the graphs still differ, and differences that are small.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "lamina/identity.h"
#include "verify/verify_test_graphs.h"
#include "verify/witness_shrink.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

Verdict verdict_of(const Graph& a, const Graph& b, const VerifyOptions& options = {}) {
  Verdict verdict = verify(a, b, options);
  INFO(verdict.to_text());
  REQUIRE(verdict.outcome == Outcome::kDifferent);
  REQUIRE(verdict.witness);
  return verdict;
}

std::int64_t nonzero(const Witness& witness) {
  std::int64_t count = 0;
  for (const Tensor& input : witness.inputs) {
    const auto values = input.to_doubles();
    count += std::count_if(values.begin(), values.end(), [](double x) { return x != 0.0; });
  }
  return count;
}

// x0 scaled, and scaled by something else where x1 is positive in one place.
Graph scaled(double factor) {
  return make({{4, 8}, {4, 8}}, [factor](Builder& b, auto& x) {
    return b.op("mul", {b.op("mul", {x[0], b.op("max", {x[1], b.c(0.0)})}), b.c(factor)});
  });
}

}  // namespace

TEST_CASE("a witness is shrunk to as few and as small numbers as the difference needs") {
  const Verdict verdict = verdict_of(scaled(1.0), scaled(1.25));
  CHECK(nonzero(*verdict.witness) == 2);
  for (const Tensor& input : verdict.witness->inputs) {
    for (const double x : input.to_doubles()) CHECK((x == 0.0 || std::fabs(x) == 1.0));
  }
  CHECK(std::fabs(verdict.witness->a) == doctest::Approx(1.0));
  CHECK(std::fabs(verdict.witness->b) == doctest::Approx(1.25));
  CHECK_FALSE(verdict.close);
  const Verdict raw = verdict_of(scaled(1.0), scaled(1.25), {.shrink_witness = false});
  CHECK(nonzero(*raw.witness) > 20);
}

TEST_CASE("shrinking keeps to ranges, integer ranges, dtypes and claims") {
  const auto shifted = [](double by) {
    Builder b;
    const Value x = b.in("x", {3}, DType::kBF16);
    const Value i = b.in("i", {3}, DType::kI64);
    const Value table = b.in("table", {5}, DType::kBF16);
    const Value picked = b.op("gather", {table, i}, {{"axis", std::int64_t{0}}});
    return b.out(
        b.op("add", {b.op("mul", {x, picked}), b.op("mul", {x, b.g.constant(by, DType::kBF16)})}));
  };
  VerifyOptions options;
  options.facts["x"] = {.low = 4.0, .high = 9.0};
  bool asked = false;
  options.claims = [&](const std::vector<Tensor>& inputs) {
    asked = true;
    return inputs[2].to_doubles()[0] > 0.25;
  };
  const Verdict verdict = verdict_of(shifted(1.0), shifted(2.0), options);
  CHECK(asked);
  const auto& inputs = verdict.witness->inputs;
  for (const double x : inputs[0].to_doubles()) CHECK(x == 5.0);
  for (const double i : inputs[1].to_doubles()) CHECK((0.0 <= i && i < 5.0));
  CHECK(inputs[2].to_doubles()[0] > 0.25);
  for (const std::size_t k : {0, 2}) {
    CHECK(inputs[k].cast(DType::kBF16).to_doubles() == inputs[k].to_doubles());
  }
}

TEST_CASE("shrinking is deterministic and never loses the difference") {
  const Graph a = make({{2, 3}}, [](Builder& b, auto& x) { return b.op("exp", {x[0]}); });
  const Graph b = make({{2, 3}}, [](Builder& b, auto& x) {
    return b.op("add", {x[0], b.c(1.0)});  // the same at 0
  });
  const Sizes sizes;
  const VerifyOptions options;
  const auto plans = plan_inputs(a, b, sizes);
  const GraphPair pair{a, b, plans, sizes, options};
  RealPoint point(1);
  point[0] = {DType::kF32, {2, 3}, {}, {}, false};
  for (const double x : {0.5, -1.25, 3.7, 0.1, 2.0, 0.0}) point[0].real.push_back({x, x});
  RealPoint again = point;
  for (RealPoint* each : {&point, &again}) {
    PointResult result = compare_at(pair, *each);
    REQUIRE(result.gap > 0.0);
    shrink_witness(pair, *each, result);
    CHECK(result.gap > 0.0);
  }
  CHECK(point[0].real == again[0].real);
  CHECK(std::count(point[0].real.begin(), point[0].real.end(), Interval{0.0, 0.0}) == 5);
  CHECK(std::count(point[0].real.begin(), point[0].real.end(), Interval{1.0, 1.0}) == 1);
}

TEST_CASE("differences of the size of rounding are different, but numerically close") {
  const auto with = [](double factor, double epsilon) {
    return make({{2, 8}}, [=](Builder& b, auto& x) {
      const Value squares = b.sum(b.op("mul", {x[0], x[0]}), 1);
      const Value norm = b.op("rsqrt", {b.op("add", {squares, b.c(epsilon)})});
      return b.op("mul", {b.op("mul", {x[0], norm}), b.c(factor)});
    });
  };
  const double next = std::nextafterf(0.7F, 1.0F);
  const Verdict ulp = verdict_of(with(0.7F, 1e-3), with(next, 1e-3));
  REQUIRE(ulp.close);
  CHECK(*ulp.close > 5e-8);
  CHECK(*ulp.close < 3e-7);
  CHECK(ulp.to_text().starts_with("different, but numerically close: "));
  CHECK(ulp.to_json().find("\"close\": null") == std::string::npos);
  CHECK(verdict_of(with(0.7, 1.0), with(0.7, 1.0 + 1e-8)).close);
  CHECK_FALSE(verdict_of(with(0.7, 1e-3), with(0.7, 1e-2)).close);
  CHECK_FALSE(verdict_of(with(0.7, 1e-3), with(0.71, 1e-3)).close);
  // Equal at 0, and overflows elsewhere: nothing is known of most points.
  CHECK_FALSE(verify(parse_identity("exp(x*1e300)", "exp(x*1e299)")).close);
}

TEST_CASE("a difference below all enclosures is close inside the fragment") {
  const auto with = [](double factor) {
    return make({{2}}, [=](Builder& b, auto& x) { return b.op("mul", {x[0], b.c(factor)}); });
  };
  const Verdict verdict = verify(with(0.7), with(std::nextafter(0.7, 1.0)));
  CHECK(verdict.outcome == Outcome::kDifferent);
  CHECK_FALSE(verdict.witness);
  REQUIRE(verdict.close);
  CHECK(*verdict.close < 1e-14);
}

TEST_CASE("literals stand for fractions: no witness against an identity of decimals") {
  // 0.1 + 0.2 - 0.3 is 0 as fractions and 2^-54 in doubles: magnified, it may not look certain.
  const Verdict verdict = verify(parse_identity("max(x, 0.1 + 0.2)*1e12", "1e12*max(x, 0.3)"));
  CHECK_MESSAGE(verdict.outcome == Outcome::kEquivalent, verdict.to_text());
  const Graph sum = make({{1}}, [](Builder& b, auto& x) {
    const Value zero = b.op("sub", {b.op("add", {b.c(0.1), b.c(0.2)}), b.c(0.3)});
    return b.op("max", {b.op("mul", {zero, b.c(1e16)}), b.op("mul", {x[0], b.c(0.0)})});
  });
  const Graph zero = make({{1}}, [](Builder& b, auto& x) {
    return b.op("max", {b.op("mul", {x[0], b.c(0.0)}), b.c(0.0)});
  });
  CHECK(verify(sum, zero).outcome != Outcome::kDifferent);
}

TEST_CASE("witnesses of identities lie where their conditions hold") {
  const Verdict verdict = verify(parse_identities("abs(x) = x ; x < -1", "text").at(0));
  CHECK(verdict.outcome == Outcome::kDifferent);
  REQUIRE(verdict.witness);
  CHECK(verdict.witness->inputs[0].to_doubles()[0] == -2.0);
}
