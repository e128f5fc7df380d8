// The numerical verdict on pairs of programs that are equal over the reals.
#include "lamina/numeric.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "verify/verify_test_graphs.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

const std::vector<DType> kAll = {DType::kF32, DType::kBF16, DType::kF16};

NumericOutcome outcome(const Graph& reference, const Graph& candidate, std::vector<DType> dtypes,
                       std::string* reason = nullptr) {
  NumericOptions options;
  options.dtypes = std::move(dtypes);
  const NumericReport report = check_numeric(reference, candidate, options);
  INFO(report.to_text());
  CHECK_FALSE(report.to_text().empty());
  for (const NumericTypeReport& type : report.types) CHECK_FALSE(type.reason.empty());
  if (reason != nullptr) *reason = report.to_text();
  return report.outcome;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

Value mean(Builder& b, Value x) {
  return b.op("mean", {x}, {{"axes", Dims{-1}}, {"keepdims", true}});
}

Graph safe_softmax() {
  return make({{6, 16}}, [](Builder& b, auto& x) {
    const Value e = b.op("exp", {b.op("sub", {x[0], b.max_of(x[0], 1)})});
    return b.op("div", {e, b.sum(e, 1)});
  });
}

Graph plain_softmax() {
  return make({{6, 16}}, [](Builder& b, auto& x) {
    const Value e = b.op("exp", {x[0]});
    return b.op("div", {e, b.sum(e, 1)});
  });
}

// Softmax of x0, times x1, by tiles of `tile` scores, the running maximum starting at `start`.
Graph online_attention(std::int64_t tile, double start, bool rescale = true) {
  Builder t;
  t.g.level = Level::kBlock;
  const Value scores = t.in("x0", {4, 12});
  const Value values = t.in("x1", {12, 5});
  const auto load = [&](Value v, std::int64_t loop, Dims shape) {
    return t.op("load", {v}, {{"grid", Dims{-1}}, {"loop", loop}, {"tile", std::move(shape)}});
  };
  const Value m = t.g.add_state("m", {DType::kF32, {4, 1}, {}}, start);
  const Value l = t.g.add_state("l", {DType::kF32, {4, 1}, {}});
  const Value acc = t.g.add_state("acc", {DType::kF32, {4, 5}, {}});
  const Value s = load(scores, 1, {4, tile});
  const Value v = load(values, 0, {tile, 5});
  const Value m2 = t.op("max", {m, t.max_of(s, 1)});
  const Value e = t.op("exp", {rescale ? t.op("sub", {s, m2}) : s});
  const Value keep = rescale ? t.op("exp", {t.op("sub", {m, m2})}) : t.c(1);
  t.g.add_update(m, m2);
  t.g.add_update(l, t.op("add", {t.op("mul", {l, keep}), t.sum(e, 1)}));
  t.g.add_update(acc, t.op("add", {t.op("mul", {acc, keep}), t.op("matmul", {e, v})}));
  const Value y = t.op("div", {t.op("after", {acc}), t.op("after", {l})});
  t.g.add_output("y", t.op("store", {y}, {{"grid", Dims{-1}}, {"shape", Dims{4, 5}}}));
  Builder b;
  const std::vector<Value> in = {b.in("x0", {4, 12}), b.in("x1", {12, 5})};
  return b.out(b.g.add("block", in, {{"grid", Dims{1}}, {"loop", Dims{12 / tile}}}, "z", {t.g}));
}

Graph attention() {
  return make({{4, 12}, {12, 5}}, [](Builder& b, auto& x) {
    return b.op("matmul", {b.op("softmax", {x[0]}), x[1]});
  });
}

}  // namespace

TEST_CASE("a softmax without its shift overflows, with it it does not") {
  std::string reason;
  CHECK(outcome(safe_softmax(), plain_softmax(), {DType::kF32}, &reason) ==
        NumericOutcome::kOverflows);
  CHECK(contains(reason, "exp"));
  CHECK(contains(reason, "inf"));
  CHECK(contains(reason, "corner"));
  CHECK(contains(reason, "argument up to 128, f32 overflows above 88.72"));
  CHECK(outcome(safe_softmax(), plain_softmax(), {DType::kBF16}) == NumericOutcome::kOverflows);
  CHECK(outcome(safe_softmax(), plain_softmax(), {DType::kF16}, &reason) ==
        NumericOutcome::kOverflows);
  CHECK(contains(reason, "f16 overflows above 11.09"));
  CHECK(outcome(safe_softmax(), safe_softmax(), kAll, &reason) == NumericOutcome::kFine);
  CHECK_FALSE(contains(reason, "possible"));
  const Graph composite =
      make({{6, 16}}, [](Builder& b, auto& x) { return b.op("softmax", {x[0]}); });
  CHECK(outcome(composite, safe_softmax(), kAll) == NumericOutcome::kFine);
  // The safe one is no worse than the plain one.
  CHECK(outcome(plain_softmax(), safe_softmax(), kAll, &reason) == NumericOutcome::kFine);
  CHECK_FALSE(contains(reason, "possible"));
}

TEST_CASE("the witness is an input inside the ranges, and drawn again by the seed") {
  const NumericReport report = check_numeric(safe_softmax(), plain_softmax(), {.seed = 5});
  REQUIRE(report.types.size() == 1);
  REQUIRE(report.types[0].witness);
  const NumericWitness& witness = *report.types[0].witness;
  REQUIRE(witness.inputs.size() == 1);
  CHECK(witness.input_names[0] == "x0");
  double largest = 0.0;
  for (const double x : witness.inputs[0].to_doubles()) {
    CHECK(std::fabs(x) <= 128.0);
    largest = std::max(largest, x);
  }
  CHECK(largest > 88.72);
  CHECK(std::isfinite(witness.reference));
  CHECK_FALSE(std::isfinite(witness.candidate));
  CHECK(witness.reference == doctest::Approx(witness.want).epsilon(1e-6));
  const NumericReport again = check_numeric(safe_softmax(), plain_softmax(), {.seed = 5});
  CHECK(again.to_json() == report.to_json());
}

TEST_CASE("narrow ranges remove the overflow") {
  NumericOptions options;
  options.ranges["x0"] = {-20.0, 20.0};
  const NumericReport report = check_numeric(safe_softmax(), plain_softmax(), options);
  CHECK(report.outcome == NumericOutcome::kFine);
  CHECK(report.types[0].hazards.empty());
  options.ranges["x0"] = {0.0, 1e3};
  CHECK(check_numeric(safe_softmax(), plain_softmax(), options).outcome ==
        NumericOutcome::kOverflows);
}

TEST_CASE("the online softmax is as good as the safe one") {
  std::string reason;
  CHECK(outcome(attention(), online_attention(4, -1e30), kAll, &reason) == NumericOutcome::kFine);
  CHECK_FALSE(contains(reason, "possible"));
  CHECK(outcome(attention(), online_attention(4, -1e30, false), {DType::kF32}, &reason) ==
        NumericOutcome::kOverflows);
  CHECK(contains(reason, "argument up to 128"));
}

TEST_CASE("a running maximum that starts at -infinity fails on a masked tile") {
  const double none = -std::numeric_limits<double>::infinity();
  const NumericReport report = check_numeric(attention(), online_attention(4, none));
  CHECK(report.outcome == NumericOutcome::kOverflows);
  REQUIRE(report.types[0].witness);
  CHECK(report.types[0].witness->distribution == Distribution::kMasked);
  CHECK(contains(report.types[0].reason, "sub"));
  CHECK(contains(report.types[0].reason, "nan"));
}

TEST_CASE("variance as a difference of moments cancels") {
  const Graph two_pass = make({{5, 32}}, [](Builder& b, auto& x) {
    const Value centred = b.op("sub", {x[0], mean(b, x[0])});
    return mean(b, b.op("mul", {centred, centred}));
  });
  const Graph moments = make({{5, 32}}, [](Builder& b, auto& x) {
    const Value m = mean(b, x[0]);
    return b.op("sub", {mean(b, b.op("mul", {x[0], x[0]})), b.op("mul", {m, m})});
  });
  std::string reason;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    CHECK(outcome(two_pass, moments, {dtype}, &reason) == NumericOutcome::kWorse);
    CHECK(contains(reason, "cancelling"));
    CHECK(contains(reason, "in sub"));
  }
  // 32 squares of 128 are too large for f16 when they are summed before they are divided.
  CHECK(outcome(two_pass, moments, {DType::kF16}, &reason) == NumericOutcome::kOverflows);
  CHECK(contains(reason, "sum"));
  CHECK(outcome(moments, two_pass, kAll) == NumericOutcome::kFine);
  // Its root may be asked of a negative number.
  const auto root = [](const Graph& variance) {
    Graph g = variance;
    g.outputs[0].value = g.add("rsqrt", {g.outputs[0].value});
    return g;
  };
  CHECK(outcome(root(two_pass), root(moments), {DType::kF32}, &reason) != NumericOutcome::kFine);
  CHECK(contains(reason, "possible negative argument: rsqrt"));
}

TEST_CASE("sums in bf16 are worse than sums in f32") {
  const std::int64_t n = 512;
  const auto sum = [&](DType state) {
    Builder t;
    t.g.level = Level::kBlock;
    const Value x = t.in("x", {8, n}, DType::kBF16);
    const Value tile = t.op("load", {x}, {{"grid", Dims{-1}}, {"loop", 1}, {"tile", Dims{8, 4}}});
    const Value acc = t.g.add_state("acc", {state, {8, 1}, {}});
    t.g.add_update(acc, t.op("add", {acc, t.sum(tile, 1)}));
    Value y = t.op("after", {acc});
    if (state != DType::kBF16) y = t.op("cast", {y}, {{"dtype", DType::kBF16}});
    t.g.add_output("y", t.op("store", {y}, {{"grid", Dims{-1}}, {"shape", Dims{8, 1}}}));
    Builder b;
    const Value in = b.in("x", {8, n}, DType::kBF16);
    return b.out(b.g.add("block", {in}, {{"grid", Dims{1}}, {"loop", Dims{n / 4}}}, "z", {t.g}));
  };
  Builder b;
  const Graph reference = b.out(b.sum(b.in("x", {8, n}, DType::kBF16), 1));
  std::string reason;
  CHECK(outcome(reference, sum(DType::kF32), {DType::kBF16}, &reason) == NumericOutcome::kFine);
  CHECK(outcome(reference, sum(DType::kBF16), {DType::kBF16}, &reason) == NumericOutcome::kWorse);
  CHECK(contains(reason, "add"));
}

TEST_CASE("log(1 + exp(x)) overflows where softplus does not") {
  const auto softplus = make({{40}}, [](Builder& b, auto& x) { return b.op("softplus", {x[0]}); });
  const auto naive = make({{40}}, [](Builder& b, auto& x) {
    return b.op("log", {b.op("add", {b.c(1), b.op("exp", {x[0]})})});
  });
  std::string reason;
  CHECK(outcome(softplus, naive, {DType::kF32}, &reason) == NumericOutcome::kOverflows);
  CHECK(contains(reason, "exp"));
  CHECK(outcome(naive, softplus, {DType::kF32}) == NumericOutcome::kFine);
}

TEST_CASE("a difference of squares loses what a product of sums keeps") {
  const std::vector<Dims> shapes = {{4, 8}, {4, 8}};
  const auto factors = make(shapes, [](Builder& b, auto& x) {
    return b.op("mul", {b.op("add", {x[0], x[1]}), b.op("sub", {x[0], x[1]})});
  });
  const auto squares = make(shapes, [](Builder& b, auto& x) {
    return b.op("sub", {b.op("mul", {x[0], x[0]}), b.op("mul", {x[1], x[1]})});
  });
  CHECK(outcome(factors, squares, {DType::kF32}) == NumericOutcome::kWorse);
  CHECK(outcome(squares, factors, {DType::kF32}) == NumericOutcome::kFine);
}

TEST_CASE("an intermediate product that leaves f16 is found") {
  const auto safe = make({{4, 8}}, [](Builder& b, auto& x) {
    const Value y = b.op("mul", {x[0], b.c(0.0625)});
    return b.op("mul", {y, y});
  });
  const auto late = make({{4, 8}}, [](Builder& b, auto& x) {
    const Value square = b.op("mul", {x[0], x[0]});
    return b.op("mul", {b.op("mul", {square, b.c(8)}), b.c(1.0 / 2048)});
  });
  std::string reason;
  CHECK(outcome(safe, late, {DType::kF16}, &reason) == NumericOutcome::kOverflows);
  CHECK(contains(reason, "mul"));
  CHECK(contains(reason, "the largest f16 is 65504"));
  CHECK(outcome(safe, late, {DType::kBF16, DType::kF32}) == NumericOutcome::kFine);
}

TEST_CASE("programs that differ are not called worse") {
  const auto twice = make({{4, 8}}, [](Builder& b, auto& x) {
    return b.op("mul", {x[0], b.c(2)});
  });
  const auto thrice = make({{4, 8}}, [](Builder& b, auto& x) {
    return b.op("mul", {x[0], b.c(3)});
  });
  std::string reason;
  CHECK(outcome(twice, thrice, {DType::kF32}, &reason) == NumericOutcome::kInconclusive);
  CHECK(contains(reason, "without any rounding"));
}

TEST_CASE("what cannot be measured is inconclusive") {
  NumericOptions options;
  options.budget = 100.0;
  const NumericReport report = check_numeric(safe_softmax(), plain_softmax(), options);
  CHECK(report.outcome == NumericOutcome::kInconclusive);
  CHECK(contains(report.types[0].reason, "budget"));
  CHECK(report.types[0].skipped.size() == all_distributions().size());
  CHECK_FALSE(report.types[0].hazards.empty());  // the range analysis needs no budget
  const auto large =
      make({{1 << 30, 1 << 30}}, [](Builder& b, auto& x) { return b.op("neg", {x[0]}); });
  const NumericReport none = check_numeric(large, large);
  CHECK(none.outcome == NumericOutcome::kInconclusive);
  CHECK(contains(none.types[0].reason, "the inputs have 1.2e+18 elements"));
  const auto whole = [](DType dtype) {
    Builder b;
    return b.out(b.op("neg", {b.in("x", {3}, dtype)}));
  };
  CHECK(check_numeric(whole(DType::kI32), whole(DType::kI32)).outcome ==
        NumericOutcome::kInconclusive);
}

TEST_CASE("mixed precision keeps the types that were chosen") {
  // A bf16 program that multiplies in f32 is better than one that does not.
  const auto program = [](bool wide) {
    Builder b;
    const Value x = b.in("x", {4, 64}, DType::kBF16);
    const Value factor = wide ? b.op("cast", {x}, {{"dtype", DType::kF32}}) : x;
    Value y = factor;
    for (int i = 0; i < 7; ++i) y = b.op("mul", {y, factor});
    return b.out(b.op("cast", {y}, {{"dtype", DType::kBF16}}));
  };
  NumericOptions options;
  options.dtypes = {DType::kBF16};
  const NumericReport report = check_numeric(program(false), program(true), options);
  CHECK(report.outcome == NumericOutcome::kFine);
  const auto error = [](const NumericTypeReport& type, double NumericErrors::*which) {
    double worst = 0.0;
    for (const NumericErrors& errors : type.errors) worst = std::max(worst, errors.*which);
    return worst;
  };
  CHECK(error(report.types[0], &NumericErrors::candidate) <
        error(report.types[0], &NumericErrors::reference));
}

TEST_CASE("reports") {
  NumericOptions options;
  options.dtypes = {DType::kF32, DType::kF16};
  const NumericReport report = check_numeric(safe_softmax(), plain_softmax(), options);
  const std::string json = report.to_json();
  CHECK(contains(json, "\"verdict\": \"overflows\""));
  CHECK(contains(json, "\"dtype\": \"f16\""));
  CHECK(contains(json, "\"distribution\": \"constant rows\""));
  CHECK(contains(report.to_text(), "numeric f32: overflows: exp"));
  for (const NumericTypeReport& type : report.types) {
    REQUIRE(type.reference_bound);
    CHECK(*type.reference_bound > 0.0);
    // The bound covers what was measured on such an input.
    CHECK(*type.reference_bound >= type.errors[0].reference);
  }
}

TEST_CASE("wrong options are refused by what is wrong") {
  NumericOptions options;
  options.dtypes = {DType::kF64};
  CHECK_THROWS_WITH_AS(check_numeric(safe_softmax(), safe_softmax(), options),
                       "programs are compared in f32, bf16 or f16, not in f64", Error);
  options = {};
  options.ranges["x0"] = {1.0, 0.0};
  CHECK_THROWS_WITH_AS(check_numeric(safe_softmax(), safe_softmax(), options),
                       "the range of 'x0' is empty: 1 to 0", Error);
  options = {};
  options.ranges["z"] = {0.0, 1.0};
  CHECK_THROWS_AS(check_numeric(safe_softmax(), safe_softmax(), options), Error);
  options = {};
  options.sizes["T"] = 4;
  CHECK_THROWS_WITH_AS(check_numeric(safe_softmax(), safe_softmax(), options),
                       "the programs have no size 'T'", Error);
}
