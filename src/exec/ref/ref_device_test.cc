// Known answers of the reference device.
#include "exec/ref/ref_device.h"

#include <doctest/doctest.h>

using namespace lamina;

TEST_CASE("a matrix product") {
  Graph g;
  const Value x = g.add_input("x", {DType::kF32, {2, 2}, {}});
  const Value y = g.add_input("y", {DType::kF32, {2, 2}, {}});
  g.add_output("z", g.add("matmul", {x, y}));
  const std::vector<double> a = {1, 2, 3, 4};
  const std::vector<Tensor> in = {Tensor::from_doubles(DType::kF32, {2, 2}, a),
                                  Tensor::from_doubles(DType::kF32, {2, 2}, a)};
  const auto out = compile(g, ref_device())->run(in);
  CHECK(out[0].to_doubles() == std::vector<double>{7, 10, 15, 22});
}

TEST_CASE("a block graph accumulates over its loop and serves ragged tiles") {
  Graph inner;
  inner.level = Level::kBlock;
  const Value x = inner.add_input("x", {DType::kF32, {3, 5}, {}});
  const Value y = inner.add_input("y", {DType::kF32, {5, 7}, {}});
  const Value acc = inner.add_state("acc", {DType::kF32, {3, 4}, {}});
  const Value xt = inner.add("load", {x}, {{"grid", Dims{-1}}, {"loop", 1}, {"tile", Dims{3, 2}}});
  const Value yt = inner.add("load", {y}, {{"grid", Dims{1}}, {"loop", 0}, {"tile", Dims{2, 4}}});
  inner.add_update(acc, inner.add("add", {acc, inner.add("matmul", {xt, yt})}));
  const Value z = inner.add("after", {acc});
  inner.add_output("z", inner.add("store", {z}, {{"grid", Dims{1}}, {"shape", Dims{3, 7}}}));
  Graph g;
  const Value gx = g.add_input("x", {DType::kF32, {3, 5}, {}});
  const Value gy = g.add_input("y", {DType::kF32, {5, 7}, {}});
  g.add_output("fused",
               g.add("block", {gx, gy}, {{"grid", Dims{2}}, {"loop", Dims{3}}}, "z", {inner}));
  g.add_output("plain", g.add("matmul", {gx, gy}));
  std::vector<double> a(15), b(35);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<double>(i % 11) - 5;
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<double>(i % 7) - 3;
  const std::vector<Tensor> in = {Tensor::from_doubles(DType::kF32, {3, 5}, a),
                                  Tensor::from_doubles(DType::kF32, {5, 7}, b)};
  const auto out = compile(g, ref_device())->run(in);
  CHECK(out[0].to_doubles() == out[1].to_doubles());
}
