// Networks that train in a moment.
#pragma once

#include "lamina/train.h"

namespace lamina::train {

// Two layers and a regression: "x" f32[N, 6], "target" f32[N, 1].
inline Network small_regression() {
  Network network{"small_regression", {}, {}};
  Graph& g = network.graph;
  g.sizes = {{std::string(kSamples), 1, 4096}};
  const Dim n = Dim::size(std::string(kSamples));
  const auto f32 = [](Dims shape) { return Type{DType::kF32, std::move(shape), {}}; };
  const Value x = g.add_input("x", f32({n, 6}));
  const Value target = g.add_input("target", f32({n, 1}));
  const Value w1 = g.add_input("w1", f32({6, 16}), Role::kWeight);
  const Value b1 = g.add_input("b1", f32({16}), Role::kWeight);
  const Value w2 = g.add_input("w2", f32({16, 1}), Role::kWeight);
  const Value hidden = g.add("tanh", {g.add("add", {g.add("matmul", {x, w1}), b1})});
  const Value difference = g.add("sub", {g.add("matmul", {hidden, w2}), target});
  g.add_output("loss", g.add("mean", {g.add("mul", {difference, difference})}));
  return network;
}

// A convolution, pooling and a classifier: "images" f32[N, 1, 28, 28], "labels" i64[N].
inline Network small_convnet() {
  Network network{"small_convnet", {}, {}};
  Graph& g = network.graph;
  g.sizes = {{std::string(kSamples), 1, 4096}};
  const Dim n = Dim::size(std::string(kSamples));
  const auto f32 = [](Dims shape) { return Type{DType::kF32, std::move(shape), {}}; };
  const Value images = g.add_input("images", f32({n, 1, 28, 28}));
  const Value labels = g.add_input("labels", {DType::kI64, {n}, {}});
  const Value filters = g.add_input("filters", f32({8, 1, 5, 5}), Role::kWeight);
  const Value gain = g.add_input("gain", f32({8}), Role::kWeight);
  const Value bias = g.add_input("bias", f32({8}), Role::kWeight);
  const Value out = g.add_input("out", f32({8 * 6 * 6, 10}), Role::kWeight);
  Value y = g.add("conv", {images, filters}, {{"strides", Dims{2, 2}}});
  y = g.add("relu", {g.add("group_norm", {y, gain, bias}, {{"groups", std::int64_t{2}}})});
  y = g.add("max_pool", {y}, {{"window", Dims{2, 2}}, {"strides", Dims{2, 2}}});
  const Value flat = g.add("reshape", {y}, {{"shape", Dims{n, 8 * 6 * 6}}});
  const Value logits = g.add("matmul", {flat, out});
  g.add_output("loss", g.add("cross_entropy", {logits, labels}));
  const Value best = g.add("argmax", {logits}, {{"axis", std::int64_t{1}}});
  g.add_output("correct", g.add("equal", {best, labels}));
  return network;
}

}  // namespace lamina::train
