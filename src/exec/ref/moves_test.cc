// Known answers of the operators that move and fold elements.
#include <doctest/doctest.h>

#include <cmath>

#include "exec/ref/operator_testing.h"
#include "lamina/error.h"

using namespace lamina;
using Reals = std::vector<double>;

TEST_CASE("slices step backwards and padding cuts, spreads and fills") {
  const Operand x = counted({2, 3});
  CHECK(
      run_op("slice", {x}, {{"start", Dims{0, 2}}, {"size", Dims{2, 2}}, {"step", Dims{1, -2}}}) ==
      Reals{2, 0, 5, 3});
  CHECK(run_op(
            "pad", {x},
            {{"low", Dims{0, -1}}, {"high", Dims{1, 1}}, {"interior", Dims{0, 1}}, {"value", 9}}) ==
        Reals{9, 1, 9, 2, 9, 9, 4, 9, 5, 9, 9, 9, 9, 9, 9});
  CHECK_THROWS_WITH_AS(run_op("slice", {x}, {{"start", Dims{0, 2}}, {"size", Dims{2, 2}}}),
                       "slice: elements 2 to 3 of axis 1, which has 3", Error);
}

TEST_CASE("concat undoes split") {
  Graph g;
  const Value x = g.add_input("x", {DType::kF32, {2, 5}, {}});
  const Value parts = g.add("split", {x}, {{"axis", 1}, {"sizes", Dims{2, 3}}});
  g.add_output("y", g.add("concat", {{parts.node, 1}, {parts.node, 0}}, {{"axis", 1}}));
  const std::vector<Tensor> in = {
      Tensor::from_doubles(DType::kF32, {2, 5}, counted({2, 5}).values)};
  CHECK(compile(g, ref_device())->run(in)[0].to_doubles() == Reals{2, 3, 4, 0, 1, 7, 8, 9, 5, 6});
}

TEST_CASE("the mean over an axis of unknown size") {
  Graph g;
  g.sizes = {{"T", 1, 8}};
  const Value x = g.add_input("x", {DType::kF32, {2, Dim::size("T")}, {}});
  g.add_output("y", g.add("mean", {x}, {{"axes", Dims{-1}}}));
  const std::vector<Tensor> in = {
      Tensor::from_doubles(DType::kF32, {2, 3}, counted({2, 3}).values)};
  CHECK(compile(g, ref_device())->run(in)[0].to_doubles() == Reals{1, 4});
}

TEST_CASE("a reshape finds the size that is left over") {
  Graph g;
  g.sizes = {{"B", 1, 8}, {"T", 1, 8}};
  const Dim b = Dim::size("B"), t = Dim::size("T");
  const Value x = g.add_input("x", {DType::kF32, {b, t, 64}, {}});
  const Value y = g.add("reshape", {x}, {{"shape", Dims{b, t, -1, 16}}});
  CHECK(to_string(g.type(y)) == "f32[B, T, 4, 16]");
  const Value z = g.add("reshape", {y}, {{"shape", Dims{-1, 64}}});
  CHECK(to_string(g.type(z)) == "f32[B*T, 64]");
  CHECK_THROWS_AS(g.add("reshape", {x}, {{"shape", Dims{b, 64}}}), Error);
}

TEST_CASE("gathers read and scatters write at the places that indices name") {
  const Operand x = counted({3, 2});
  CHECK(run_op("gather", {x, integers({2}, {-1, 0})}) == Reals{4, 5, 0, 1});
  CHECK(run_op("gather", {x, integers({2}, {7, 1})}) == Reals{0, 0, 2, 3});  // 7: outside
  CHECK(run_op("gather_elements", {x, integers({1, 2}, {2, 1})}) == Reals{4, 3});
  CHECK(run_op("gather_nd", {x, integers({2, 2}, {0, 1, 2, 0})}) == Reals{1, 4});
  CHECK(run_op("gather_nd", {x, integers({3, 1}, {1, 0, 1})}, {{"batch_dims", 1}}) ==
        Reals{1, 2, 5});
  CHECK(run_op("scatter_elements", {x, integers({1, 2}, {1, 1}), {{1, 2}, {10, 20}}},
               {{"axis", 1}, {"combine", std::string("add")}}) == Reals{0, 31, 2, 3, 4, 5});
  CHECK(run_op("scatter_nd", {x, integers({1, 1}, {1}), {{1, 2}, {8, 9}}}) ==
        Reals{0, 1, 8, 9, 4, 5});
  CHECK(run_op("scatter", {x, integers({2}, {0, 0}), {{2, 2}, {7, 0, -1, 9}}},
               {{"combine", std::string("max")}}) == Reals{7, 9, 2, 3, 4, 5});
}

TEST_CASE("orders are stable and put NaN last") {
  const Operand x{{1, 5}, {2, NAN, 1, 2, 0}};
  CHECK(run_op("sort", {x}, {}, 1) == Reals{4, 2, 0, 3, 1});
  CHECK(run_op("top_k", {x}, {{"k", 2}}, 1) == Reals{1, 0});
  CHECK(run_op("top_k", {x}, {{"k", 3}, {"largest", false}}) == Reals{0, 1, 2});
  const Operand ties{{4}, {3, 1, 3, 1}};
  CHECK(run_op("argmax", {ties}) == Reals{0});
  CHECK(run_op("argmin", {ties}, {{"select_last", true}, {"keepdims", true}}) == Reals{3});
}

TEST_CASE("running sums, counting, repeating, triangles") {
  const Operand x = counted({4}, 1);
  CHECK(run_op("cumsum", {x}) == Reals{1, 3, 6, 10});
  CHECK(run_op("cumsum", {x}, {{"exclusive", true}, {"reverse", true}}) == Reals{9, 7, 4, 0});
  CHECK(run_op("iota", {}, {{"shape", Dims{2, 3}}, {"axis", 1}, {"start", 5.0}, {"step", -2.0}}) ==
        Reals{5, 3, 1, 5, 3, 1});
  CHECK(run_op("tile", {counted({1, 2})}, {{"repeats", Dims{2, 2}}}) ==
        Reals{0, 1, 0, 1, 0, 1, 0, 1});
  CHECK(run_op("trilu", {counted({2, 3}, 1)}, {{"k", 1}}) == Reals{0, 2, 3, 0, 0, 6});
  CHECK(run_op("one_hot", {integers({2}, {-1, 0})}, {{"depth", 3}, {"on", 5.0}}) ==
        Reals{0, 0, 5, 5, 0, 0});
}

TEST_CASE("extend takes the border from the tensor") {
  const auto extended = [](const char* mode) {
    return run_op("extend", {counted({3})},
                  {{"low", Dims{2}}, {"high", Dims{1}}, {"mode", std::string(mode)}});
  };
  CHECK(extended("edge") == Reals{0, 0, 0, 1, 2, 2});
  CHECK(extended("reflect") == Reals{2, 1, 0, 1, 2, 1});
  CHECK(extended("wrap") == Reals{1, 2, 0, 1, 2, 0});
}
