// Layers that networks are put together from. Values of sequences are [N * tokens, width]: one row
// for each token, so that products and their gradients are plain matrix products.
#pragma once

#include <span>
#include <string>

#include "lamina/train.h"

namespace lamina {

// What one layer of a transformer looks like.
struct TransformerShape {
  std::int64_t tokens = 1;
  std::int64_t width = 1;
  std::int64_t heads = 1;  // divides width
  std::int64_t feed_forward = 1;
  bool causal = false;
};

// A network under construction. Weights are f32, named "<layer>.<what>" and without elements.
class Layers {
 public:
  explicit Layers(const std::string& name);

  // The number of samples.
  static Dim samples();
  Graph& graph() { return graph_; }

  // An input [N, shape...].
  Value input(const std::string& name, DType dtype, const Dims& shape);
  Value weight(const std::string& name, const Shape& shape);
  Value reshape(Value x, Dims shape);

  // x [rows, in] -> [rows, out], with a bias.
  Value linear(Value x, const std::string& name, std::int64_t out);
  Value layer_norm(Value x, const std::string& name);
  // The row of a table [rows, width] for each of the ids: one more axis.
  Value embedding(Value ids, const std::string& name, std::int64_t rows, std::int64_t width);
  // `count` times linear and relu.
  Value feed_forward(Value x, const std::string& name, int count, std::int64_t width);
  // Attention and a feed-forward part, each behind its norm and beside a shortcut (Xiong et al.,
  // arXiv:2002.04745); the queries, keys and values come from one product.
  Value transformer_layer(Value x, const std::string& name, const TransformerShape& shape);

  // Ends with the mean cross-entropy of logits [rows, classes] against labels [rows] as loss, and
  // the outputs "logits" and "correct" with the first axis N.
  train::Network classify(Value logits, Value labels);
  // Ends with this loss, a mean over the samples, and an output "prediction".
  train::Network finish(Value loss, Value prediction);

 private:
  Value attention(Value x, const std::string& name, const TransformerShape& shape);

  Graph graph_;
};

// Throws kInvalidArgument unless all of them are positive.
void require_positive(std::string_view network, std::span<const std::int64_t> extents);

}  // namespace lamina
