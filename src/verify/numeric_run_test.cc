// The emulation against hand-computed roundings, and the running bound against the error it bounds.
#include "verify/numeric_run.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/rng.h"
#include "graph/random_graph.h"
#include "num/half.h"
#include "verify/numeric_types.h"
#include "verify/verify_test_graphs.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

double in_bf16(double x) { return static_cast<double>(bf16(x)); }

Array<double> reals(DType dtype, Shape shape, std::vector<double> values) {
  return {dtype, std::move(shape), std::move(values), {}, false};
}

}  // namespace

TEST_CASE("every result is rounded to its type, and every operator of an expansion") {
  const Graph f32 = make({{1}, {1}}, [](Builder& b, auto& x) {
    return b.op("mul", {b.op("add", {x[0], x[1]}), b.c(0.1)});
  });
  const Graph graph = retype(f32, DType::kF32, DType::kBF16);
  const double a = in_bf16(1.0);
  const double b = in_bf16(0.00390625);  // half a unit of 1: a tie, rounded to even
  const NumericSample sample = {reals(DType::kBF16, {1}, {a}), reals(DType::kBF16, {1}, {b})};
  CHECK(run_rounded(graph, sample)[0][0] == in_bf16(1.0 * in_bf16(0.1)));
  CHECK(run_exact(graph, sample)[0][0] == doctest::Approx(1.00390625 * 0.1).epsilon(1e-12));
  const Graph mean = retype(make({{2}}, [](Builder& t, auto& x) { return t.op("mean", {x[0]}); }),
                            DType::kF32, DType::kBF16);
  const NumericSample pair = {reals(DType::kBF16, {2}, {1.0, 0.0078125 * 0.5})};
  CHECK(run_rounded(mean, pair)[0][0] == 0.5);  // the sum is stored before it is divided
}

TEST_CASE("sums are kept in f32") {
  const Graph sum = retype(make({{3}}, [](Builder& b, auto& x) { return b.sum(x[0], 0); }),
                           DType::kF32, DType::kBF16);
  // 256 + 1 is no bf16 number, 256 + 2 is.
  const NumericSample sample = {reals(DType::kBF16, {3}, {256.0, 1.0, 1.0})};
  CHECK(run_rounded(sum, sample)[0][0] == 258.0);
  const Graph f32 = make({{3}}, [](Builder& b, auto& x) { return b.sum(x[0], 0); });
  const NumericSample wide = {reals(DType::kF32, {3}, {16777216.0, 1.0, 1.0})};
  CHECK(run_rounded(f32, wide)[0][0] == 16777216.0);
  CHECK(run_exact(f32, wide)[0][0] == 16777218.0);
}

TEST_CASE("programs rewritten for another type") {
  Builder b;
  const Value x = b.in("x", {4}, DType::kBF16);
  const Value wide = b.op("cast", {x}, {{"dtype", DType::kF32}});
  const Graph mixed = b.out(b.op("cast", {b.op("exp", {wide})}, {{"dtype", DType::kBF16}}));
  CHECK(home_dtype(mixed) == DType::kBF16);
  const Graph half = retype(mixed, DType::kBF16, DType::kF16);
  validate(half);
  CHECK(half.type(half.outputs[0].value).dtype == DType::kF16);
  CHECK(half.nodes[0].types[0].dtype == DType::kF16);
  CHECK(half.nodes[2].types[0].dtype == DType::kF32);  // chosen, so kept
  Builder s;
  const Value state = s.g.add_state("s", {DType::kF32, {4}, {}});
  const Value y = s.op("add", {state, s.in("x", {4})});
  s.g.add_update(state, y);
  const Graph kept = retype(s.out(y), DType::kF32, DType::kBF16);
  validate(kept);
  CHECK(kept.nodes[0].types[0].dtype == DType::kBF16);
}

TEST_CASE("the running error bound holds on random graphs") {
  Rng rng(11);
  int compared = 0;
  for (int k = 0; k < 40; ++k) {
    const Graph drawn = random_graph(rng, {.steps = 3, .max_rows = 5, .max_width = 33});
    const auto home = home_dtype(drawn);
    if (!home) continue;
    const DType dtype = k % 2 == 0 ? DType::kF32 : DType::kBF16;
    const Graph graph = retype(bind_sizes(drawn, {}), *home, dtype);
    NumericSample sample;
    for (const Input& input : graph.inputs) {
      const Type& type = graph.nodes[static_cast<std::size_t>(input.node)].types[0];
      const Shape shape = evaluate(type.shape, {});
      Array<double> array{type.dtype, shape, {}, {}, !traits(type.dtype).is_float};
      for (std::int64_t i = 0; i < element_count(shape); ++i) {
        if (array.is_whole) {
          array.whole.push_back(0);
        } else {
          array.real.push_back(in_bf16(rng.normal()));
        }
      }
      sample.push_back(std::move(array));
    }
    const NumericResults exact = run_exact(graph, sample);
    const NumericResults rounded = run_rounded(graph, sample);
    const BoundedResults bounded = run_bounded(graph, sample);
    for (std::size_t o = 0; o < graph.outputs.size(); ++o) {
      if (!traits(graph.type(graph.outputs[o].value).dtype).is_float) continue;
      for (std::size_t i = 0; i < exact[o].size(); ++i) {
        if (!std::isfinite(exact[o][i]) || !std::isfinite(bounded.errors[o][i])) continue;
        INFO(print_graph(graph));
        CHECK(bounded.values[o][i] == rounded[o][i]);
        CHECK(std::fabs(rounded[o][i] - exact[o][i]) <= bounded.errors[o][i]);
        ++compared;
      }
    }
  }
  CHECK(compared > 200);
}
