// The tolerance of small graphs, counted by hand, and what it lets pass.
#include "graph/tolerance.h"

#include <doctest/doctest.h>

#include <cmath>

#include "graph/gradient_rules.h"

using namespace lamina;

namespace {

constexpr double kU = 0x1p-24;

}  // namespace

TEST_CASE("roundings are counted along the longest path, moves are free") {
  Graph g;
  g.sizes = {{"K", 1, 1000}};
  const Value x = g.add_input("x", f32({5, Dim::size("K")}));
  const Value y = g.add_input("y", f32({Dim::size("K"), 3}));
  const Value product = g.add("matmul", {g.add("exp", {x}), y});
  g.add_output("z", g.add("transpose", {g.add("add", {product, product})}));
  const Tolerance t = tolerance(g, {{"K", 100}});
  CHECK(t.roundings == 3);
  CHECK(t.reduction == 100);
  CHECK(t.relative() == doctest::Approx(4.0 * std::sqrt(3.0) * kU + 20.0 * kU));
}

TEST_CASE("sums that are multiplied reach further than their rows say") {
  const auto product = [](int factors) {
    Graph g;
    const Value x = g.add_input("x", f32({5, 100}));
    const Value w = g.add_input("w", f32({100, 30}));
    Value y = g.add("matmul", {x, w});
    for (int i = 1; i < factors; ++i) y = g.add("mul", {y, g.add("matmul", {x, w})});
    g.add_output("y", y);
    return tolerance(g);
  };
  CHECK(product(1).factors == 1);
  CHECK(product(2).factors == 2);
  CHECK(product(2).relative() ==
        doctest::Approx(4.0 * std::sqrt(2.0) * kU + 20.0 * kU * 14.4 / std::sqrt(28.8)));
  CHECK(product(3).factors == 3);
  Graph g;  // a contraction of such a product is one sum
  const Value x = g.add_input("x", f32({5, 30}));
  const Value w = g.add_input("w", f32({30, 30}));
  const Value h = g.add("matmul", {x, w});
  g.add_output("y", g.add("matmul", {g.add("mul", {h, h}), w}));
  CHECK(tolerance(g).factors == 1);
}

TEST_CASE("bf16 storage counts with its own roundoff, sums stay in f32") {
  Graph g;
  const Value x = g.add_input("x", {DType::kBF16, {4, 16}, {}});
  g.add_output("y", g.add("sum", {x}, {{"axes", Dims{1}}}));
  CHECK(tolerance(g).relative() == doctest::Approx(4.0 * 0x1p-8 + 8.0 * kU));
}

TEST_CASE("difference() accepts what is within and names what is not") {
  const Tolerance t{1, 0, kU, kU};
  const std::vector<double> want = {1.0, 1.0, 0.0, 4.0};
  const auto tensor = [](const std::vector<double>& values) {
    return Tensor::from_doubles(DType::kF32, {2, 2}, values);
  };
  const auto moved = [&](double by) { return tensor({1.0 + by, 1.0, 0.0, 4.0}); };
  CHECK(!difference(tensor(want), tensor(want), t));
  CHECK(!difference(moved(0x1p-22), tensor(want), t));
  CHECK(difference(moved(0x1p-20), tensor(want), t)->find("element 0") == 0);
  // The row's mean of 2 allows 8u at the zero beside the 4.
  CHECK(!difference(tensor({1, 1, 7.0 * kU, 4}), tensor(want), t));
  CHECK(difference(tensor({1, 1, 9.0 * kU, 4}), tensor(want), t));
  CHECK(difference(tensor({1, 1, 0, std::nan("")}), tensor(want), t));
  CHECK(!difference(tensor({1, 1, 0, INFINITY}), tensor({1, 1, 0, INFINITY}), t));
  CHECK(difference(tensor({1, 1, 0, INFINITY}), tensor({1, 1, 0, -INFINITY}), t));
}

TEST_CASE("integers must be equal") {
  const std::vector<std::int64_t> a = {1, 2};
  const std::vector<std::int64_t> b = {1, 3};
  const auto ints = [](const std::vector<std::int64_t>& v) {
    return Tensor::from_integers(DType::kI64, {2}, v);
  };
  CHECK(!difference(ints(a), ints(a), {}));
  CHECK(difference(ints(a), ints(b), {}));
}
