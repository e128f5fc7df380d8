// Layers that networks are put together from.
#include "nn/layers.h"

#include <algorithm>

#include "base/check.h"

namespace lamina {

Layers::Layers(const std::string& name) {
  graph_.name = name;
  graph_.sizes = {{std::string(train::kSamples), 1, 1 << 20}};
}

Dim Layers::samples() { return Dim::size(std::string(train::kSamples)); }

Value Layers::input(const std::string& name, DType dtype, const Dims& shape) {
  Dims all = {samples()};
  all.insert(all.end(), shape.begin(), shape.end());
  return graph_.add_input(name, {dtype, all, {}});
}

Value Layers::weight(const std::string& name, const Shape& shape) {
  return graph_.add_input(name, {DType::kF32, {shape.begin(), shape.end()}, {}}, Role::kWeight);
}

Value Layers::reshape(Value x, Dims shape) {
  return graph_.add("reshape", {x}, {{"shape", std::move(shape)}});
}

Value Layers::linear(Value x, const std::string& name, std::int64_t out) {
  const std::int64_t in = graph_.type(x).shape.back().constant_part();
  const Value product = graph_.add("matmul", {x, weight(name + ".weight", {in, out})});
  return graph_.add("add", {product, weight(name + ".bias", {out})});
}

Value Layers::layer_norm(Value x, const std::string& name) {
  const std::int64_t width = graph_.type(x).shape.back().constant_part();
  return graph_.add("layer_norm",
                    {x, weight(name + ".weight", {width}), weight(name + ".bias", {width})});
}

Value Layers::embedding(Value ids, const std::string& name, std::int64_t rows, std::int64_t width) {
  return graph_.add("embedding", {weight(name + ".weight", {rows, width}), ids});
}

Value Layers::feed_forward(Value x, const std::string& name, int count, std::int64_t width) {
  for (int i = 0; i < count; ++i) {
    x = graph_.add("relu", {linear(x, fmt::format("{}.{}", name, i), width)});
  }
  return x;
}

Value Layers::attention(Value x, const std::string& name, const TransformerShape& shape) {
  const std::int64_t width = shape.width;
  const Value all = linear(x, name + ".qkv", 3 * width);
  const Value parts =
      graph_.add("split", {all}, {{"axis", 1}, {"sizes", Dims{width, width, width}}});
  std::vector<Value> heads;
  for (std::int32_t i = 0; i < 3; ++i) {
    const Value split =
        reshape({parts.node, i}, {samples(), shape.tokens, shape.heads, width / shape.heads});
    heads.push_back(graph_.add("transpose", {split}, {{"axes", Dims{0, 2, 1, 3}}}));
  }
  const Value mixed = graph_.add("attention", heads, {{"causal", shape.causal}});
  const Value rows = graph_.add("transpose", {mixed}, {{"axes", Dims{0, 2, 1, 3}}});
  return linear(reshape(rows, {samples() * shape.tokens, width}), name + ".out", width);
}

Value Layers::transformer_layer(Value x, const std::string& name, const TransformerShape& shape) {
  const Value mixed =
      attention(layer_norm(x, name + ".attention_norm"), name + ".attention", shape);
  x = graph_.add("add", {x, mixed});
  const Value inner =
      linear(layer_norm(x, name + ".feed_forward_norm"), name + ".up", shape.feed_forward);
  return graph_.add("add", {x, linear(graph_.add("gelu", {inner}), name + ".down", shape.width)});
}

train::Network Layers::classify(Value logits, Value labels) {
  const Dim rows = graph_.type(logits).shape[0];
  const Dim classes = graph_.type(logits).shape[1];
  graph_.add_output("loss", graph_.add("cross_entropy", {logits, labels}));
  const Value chosen = graph_.add("argmax", {logits}, {{"axis", 1}});
  Value right =
      graph_.add("cast", {graph_.add("equal", {chosen, labels})}, {{"dtype", DType::kF32}});
  if (rows != samples()) {
    const Dim each = floor_div(rows, samples());
    logits = reshape(logits, {samples(), each, classes});
    right = graph_.add("mean", {reshape(right, {samples(), each})}, {{"axes", Dims{1}}});
  }
  graph_.add_output("logits", logits);
  graph_.add_output("correct", right);
  return {graph_.name, std::move(graph_), {}};
}

train::Network Layers::finish(Value loss, Value prediction) {
  graph_.add_output("loss", loss);
  graph_.add_output("prediction", prediction);
  return {graph_.name, std::move(graph_), {}};
}

void require_positive(std::string_view network, std::span<const std::int64_t> extents) {
  const bool all = std::all_of(extents.begin(), extents.end(), [](auto e) { return e > 0; });
  require(all, "{}: branches, layers, widths and other extents must be positive", network);
}

}  // namespace lamina
