// Known answers of the operators that move and fold elements.
#include <doctest/doctest.h>

#include <numeric>

#include "exec/ref/ref_device.h"
#include "lamina/error.h"

using namespace lamina;

namespace {

// The outputs of one operator on f32 inputs.
struct Given {
  Shape shape;
  std::vector<double> values;
};

std::vector<double> run_op(std::string_view op, const std::vector<Given>& given, Attrs attrs,
                           int output = 0) {
  Graph g;
  std::vector<Value> inputs;
  std::vector<Tensor> tensors;
  for (const Given& x : given) {
    inputs.push_back(g.add_input("x", {DType::kF32, Dims(x.shape.begin(), x.shape.end()), {}}));
    tensors.push_back(Tensor::from_doubles(DType::kF32, x.shape, x.values));
  }
  const Value y = g.add(op, inputs, std::move(attrs));
  g.add_output("y", {y.node, output});
  return compile(g, ref_device())->run(tensors)[0].to_doubles();
}

std::vector<double> counted(std::int64_t n) {
  std::vector<double> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), 0.0);
  return values;
}

}  // namespace

TEST_CASE("slices step backwards and padding cuts, spreads and fills") {
  const Given x{{2, 3}, counted(6)};
  CHECK(
      run_op("slice", {x}, {{"start", Dims{0, 2}}, {"size", Dims{2, 2}}, {"step", Dims{1, -2}}}) ==
      std::vector<double>{2, 0, 5, 3});
  CHECK(run_op(
            "pad", {x},
            {{"low", Dims{0, -1}}, {"high", Dims{1, 1}}, {"interior", Dims{0, 1}}, {"value", 9}}) ==
        std::vector<double>{9, 1, 9, 2, 9, 9, 4, 9, 5, 9, 9, 9, 9, 9, 9});
  CHECK_THROWS_WITH_AS(run_op("slice", {x}, {{"start", Dims{0, 2}}, {"size", Dims{2, 2}}}),
                       "slice: elements 2 to 3 of axis 1, which has 3", Error);
}

TEST_CASE("concat undoes split") {
  Graph g;
  const Value x = g.add_input("x", {DType::kF32, {2, 5}, {}});
  const Value parts = g.add("split", {x}, {{"axis", 1}, {"sizes", Dims{2, 3}}});
  g.add_output("y", g.add("concat", {{parts.node, 1}, {parts.node, 0}}, {{"axis", 1}}));
  const std::vector<Tensor> in = {Tensor::from_doubles(DType::kF32, {2, 5}, counted(10))};
  CHECK(compile(g, ref_device())->run(in)[0].to_doubles() ==
        std::vector<double>{2, 3, 4, 0, 1, 7, 8, 9, 5, 6});
}

TEST_CASE("the mean over an axis of unknown size") {
  Graph g;
  g.sizes = {{"T", 1, 8}};
  const Value x = g.add_input("x", {DType::kF32, {2, Dim::size("T")}, {}});
  g.add_output("y", g.add("mean", {x}, {{"axes", Dims{-1}}}));
  const std::vector<Tensor> in = {Tensor::from_doubles(DType::kF32, {2, 3}, counted(6))};
  CHECK(compile(g, ref_device())->run(in)[0].to_doubles() == std::vector<double>{1, 4});
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
