// The identity tester: what it accepts, what it refutes, what it leaves open.
#include <doctest/doctest.h>

#include "verify/verify_test_graphs.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

Outcome outcome(const Graph& a, const Graph& b, const VerifyOptions& options = {}) {
  const Verdict verdict = verify(a, b, options);
  INFO(verdict.to_text());
  CHECK_FALSE(verdict.reason.empty());
  return verdict.outcome;
}

const std::vector<Dims> kThree(3, Dims{2, 3});

}  // namespace

TEST_CASE("field identities are accepted and near misses refuted") {
  const Graph quotient = make(kThree, [](Builder& b, auto& x) {
    return b.op("div", {b.op("div", {x[0], x[1]}), x[2]});
  });
  const Graph product = make(kThree, [](Builder& b, auto& x) {
    return b.op("div", {x[0], b.op("mul", {x[1], x[2]})});
  });
  const Graph wrong = make(kThree, [](Builder& b, auto& x) {
    return b.op("div", {b.op("mul", {x[0], x[2]}), x[1]});
  });
  const Verdict same = verify(quotient, product);
  CHECK(same.outcome == Outcome::kEquivalent);
  CHECK(same.runs == 3);
  CHECK(same.compared == 6);
  CHECK(same.uncompared == 0);
  CHECK(same.abstracted.empty());
  CHECK_FALSE(same.bits);
  CHECK(same.tuples.size() == 3);
  CHECK(same.tuples[0].p != same.tuples[1].p);
  const Verdict different = verify(quotient, wrong);
  CHECK(different.outcome == Outcome::kDifferent);
  REQUIRE(different.witness);
  CHECK(different.witness->a != doctest::Approx(different.witness->b));
}

TEST_CASE("exponentials multiply, and distribute over nothing") {
  const auto product = make(kThree, [](Builder& b, auto& x) {
    return b.op("mul", {b.op("exp", {x[0]}), b.op("exp", {x[1]})});
  });
  const auto sum = make(kThree, [](Builder& b, auto& x) {
    return b.op("exp", {b.op("add", {x[0], x[1]})});
  });
  const auto other = make(kThree, [](Builder& b, auto& x) {
    return b.op("exp", {b.op("add", {x[0], x[2]})});
  });
  CHECK(outcome(product, sum) == Outcome::kEquivalent);
  CHECK(outcome(product, other) == Outcome::kDifferent);
}

TEST_CASE("the false accepts of fixed small primes and ramp inputs are refuted") {
  const auto nested =
      make({{4}}, [](Builder& b, auto& x) { return b.op("exp", {b.op("exp", {x[0]})}); });
  const auto constant_one = make({{4}}, [](Builder& b, auto& x) {
    return b.op("div", {x[0], x[0]});
  });
  CHECK(outcome(nested, constant_one) == Outcome::kDifferent);
  const auto sum = make(kThree, [](Builder& b, auto& x) { return b.op("add", {x[0], x[2]}); });
  const auto twice = make(kThree, [](Builder& b, auto& x) { return b.op("add", {x[1], x[1]}); });
  CHECK(outcome(sum, twice) == Outcome::kDifferent);
  const auto plain = make({{4}}, [](Builder& b, auto& x) { return b.op("exp", {x[0]}); });
  const auto scaled = make({{4}}, [](Builder& b, auto& x) {
    return b.op("mul", {b.op("exp", {x[0]}), b.c(168)});
  });
  CHECK(outcome(plain, scaled) == Outcome::kDifferent);
}

TEST_CASE("rms_norm may be applied after the product it feeds") {
  const Dims rows{3, 8};
  const auto before = make({rows, {8, 5}}, [](Builder& b, auto& x) {
    return b.op("matmul", {b.op("rms_norm", {x[0]}, {{"epsilon", 1e-5}}), x[1]});
  });
  const auto after = [&](double count, double epsilon) {
    return make({rows, {8, 5}}, [&](Builder& b, auto& x) {
      const Value squares = b.sum(b.op("mul", {x[0], x[0]}), 1);
      const Value mean = b.op("mul", {squares, b.c(1.0 / count)});
      const Value scale = b.op("rsqrt", {b.op("add", {mean, b.c(epsilon)})});
      return b.op("mul", {b.op("matmul", {x[0], x[1]}), scale});
    });
  };
  const Verdict verdict = verify(before, after(8, 1e-5));
  CHECK(verdict.outcome == Outcome::kEquivalent);
  CHECK(verdict.abstracted.at("sqrt") == 3);
  CHECK(outcome(before, after(1, 1e-5)) == Outcome::kDifferent);
  CHECK(outcome(before, after(8, 1e-2)) == Outcome::kDifferent);
}

TEST_CASE("a gated product of two matrices, and its operands exchanged") {
  const std::vector<Dims> shapes = {{2, 6}, {6, 4}, {6, 4}};
  const auto gated = [&](std::size_t gate, std::size_t up) {
    return make(shapes, [&](Builder& b, auto& x) {
      return b.op("mul",
                  {b.op("silu", {b.op("matmul", {x[0], x[gate]})}), b.op("matmul", {x[0], x[up]})});
    });
  };
  const auto joined = make(shapes, [&](Builder& b, auto& x) {
    const Value both = b.op("concat", {x[1], x[2]}, {{"axis", 1}});
    const Value y = b.op("matmul", {x[0], both});
    const Value g = b.op("slice", {y}, {{"start", Dims{0, 0}}, {"size", Dims{2, 4}}});
    const Value u = b.op("slice", {y}, {{"start", Dims{0, 4}}, {"size", Dims{2, 4}}});
    const Value e = b.op("exp", {b.op("mul", {g, b.c(-1)})});
    return b.op("div", {b.op("mul", {g, u}), b.op("add", {b.c(1), e})});
  });
  CHECK(outcome(gated(1, 2), joined) == Outcome::kEquivalent);
  CHECK(outcome(gated(2, 1), joined) == Outcome::kDifferent);
}

TEST_CASE("an output that is always undefined is inconclusive") {
  const auto bad = make({{3}}, [](Builder& b, auto& x) {
    const Value zero = b.op("add", {x[0], b.op("mul", {x[0], b.c(-1)})});
    return b.op("div", {x[0], zero});
  });
  const Verdict verdict = verify(bad, bad);
  CHECK(verdict.outcome == Outcome::kInconclusive);
  CHECK(verdict.uncompared == 3);
  // A removable singularity does not matter: it is undefined only at isolated points.
  const auto removable = make({{3}}, [](Builder& b, auto& x) {
    return b.op("div", {b.op("mul", {x[0], x[0]}), x[0]});
  });
  const auto plain = make({{3}}, [](Builder& b, auto& x) { return b.op("add", {x[0], b.c(0)}); });
  CHECK(outcome(removable, plain) == Outcome::kEquivalent);
}

TEST_CASE("graphs with different signatures are refused by what differs") {
  const auto one = make({{3}}, [](Builder& b, auto& x) { return b.op("exp", {x[0]}); });
  const auto two = make({{4}}, [](Builder& b, auto& x) { return b.op("exp", {x[0]}); });
  CHECK_THROWS_WITH_AS(verify(one, two), "input 'x0' is f32[3] and f32[4]", Error);
  const auto more = make({{3}, {3}}, [](Builder& b, auto& x) { return b.op("exp", {x[0]}); });
  CHECK_THROWS_WITH_AS(verify(one, more), "the graphs have 1 and 2 inputs", Error);
  Builder renamed;
  const Graph other = renamed.out(renamed.op("exp", {renamed.in("z", {3})}));
  CHECK_THROWS_WITH_AS(verify(one, other), "input 0 is called 'x0' and 'z'", Error);
  CHECK(outcome(one, other, {.match_names = false}) == Outcome::kEquivalent);
}

TEST_CASE("named sizes are bound to several values") {
  const auto sized = [](double factor) {
    Builder b;
    b.g.sizes = {{"T", 1, 64}};
    const Value x = b.in("x", {Dim::size("T"), 3});
    return b.out(b.op("mul", {b.sum(x, 0), b.c(factor)}));
  };
  const Verdict verdict = verify(sized(2), sized(2));
  CHECK(verdict.outcome == Outcome::kEquivalent);
  CHECK(verdict.runs == 6);
  CHECK(verdict.tuples.front().sizes != verdict.tuples.back().sizes);
  CHECK(outcome(sized(2), sized(3)) == Outcome::kDifferent);
}

TEST_CASE("states: the next value is compared too") {
  const auto accumulate = [](double factor) {
    Builder b;
    const Value x = b.in("x", {3});
    const Value s = b.g.add_state("s", {DType::kF32, {3}, {}});
    b.g.add_update(s, b.op("add", {s, b.op("mul", {x, b.c(factor)})}));
    return b.out(b.op("mul", {s, x}));
  };
  CHECK(outcome(accumulate(2), accumulate(2)) == Outcome::kEquivalent);
  const Verdict verdict = verify(accumulate(2), accumulate(3));
  CHECK(verdict.outcome == Outcome::kDifferent);
  REQUIRE(verdict.witness);
  CHECK(verdict.witness->output == "next s");
}

TEST_CASE("large sizes shrink together") {
  const auto product = [](double factor) {
    return make({{16, 4096}, {4096, 6144}}, [&](Builder& b, auto& x) {
      const Value heads =
          b.op("reshape", {b.op("matmul", {x[0], x[1]})}, {{"shape", Dims{16, 48, 128}}});
      return b.op("mul", {b.sum(heads, 2), b.c(factor)});
    });
  };
  const auto small = shrink_sizes(product(1), 8);
  REQUIRE(small);
  const Dims heads = small->nodes[3].types[0].shape;
  CHECK(heads[1] * heads[2] == small->nodes[2].types[0].shape[1]);
  CHECK(small->nodes[0].types[0].shape[1] == small->nodes[1].types[0].shape[0]);
  const Verdict verdict = verify(product(2), product(2), {.shrink = 8});
  CHECK(verdict.outcome == Outcome::kEquivalent);
  CHECK(verdict.shrunk);
  // 1/n against a mean does not shrink, but holds at the full shape.
  const auto mean = make({{64}}, [](Builder& b, auto& x) {
    return b.op("mean", {x[0]}, {{"axes", Dims{0}}});
  });
  const auto scaled = make({{64}}, [](Builder& b, auto& x) {
    return b.op("mul", {b.op("sum", {x[0]}, {{"axes", Dims{0}}}), b.c(1.0 / 64)});
  });
  const Verdict full = verify(mean, scaled, {.shrink = 8});
  CHECK(full.outcome == Outcome::kEquivalent);
  CHECK_FALSE(full.shrunk);
}

TEST_CASE("reports") {
  const auto g = make({{2}}, [](Builder& b, auto& x) { return b.op("rsqrt", {x[0]}); });
  const auto h = make({{2}}, [](Builder& b, auto& x) { return b.op("exp", {x[0]}); });
  const Verdict same = verify(g, g);
  CHECK(same.to_text().starts_with("equivalent: all 2 output elements agree in 3 runs"));
  CHECK(same.to_text().find("sqrt (2)") != std::string::npos);
  CHECK(same.to_json().find("\"bits\": null") != std::string::npos);
  const Verdict different = verify(g, h);
  CHECK(different.to_json().find("\"verdict\": \"different\"") != std::string::npos);
  CHECK(different.to_json().find("\"elements\"") != std::string::npos);
}
