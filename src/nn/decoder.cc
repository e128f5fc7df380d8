// A decoder-only transformer on tokens of text.
#include <array>

#include "base/check.h"
#include "lamina/nn.h"
#include "nn/layers.h"

namespace lamina {

train::Network decoder(const DecoderConfig& config) {
  require_positive(
      "decoder", std::array<std::int64_t, 6>{config.layers, config.tokens, config.width,
                                             config.heads, config.feed_forward, config.vocabulary});
  require(config.width % config.heads == 0, "decoder: width {} is not a multiple of {} heads",
          config.width, config.heads);
  Layers layers("decoder");
  Graph& graph = layers.graph();
  const Value tokens = layers.input("tokens", DType::kI64, {config.tokens});
  const Value targets = layers.input("targets", DType::kI64, {config.tokens});
  const Value table = layers.weight("tokens.weight", {config.vocabulary, config.width});
  const Value positions = layers.weight("positions.weight", {config.tokens, config.width});
  const Value embedded = graph.add("embedding", {table, tokens});
  const Dim rows = Layers::samples() * config.tokens;
  Value x = layers.reshape(graph.add("add", {embedded, positions}), {rows, config.width});
  const TransformerShape shape{config.tokens, config.width, config.heads, config.feed_forward,
                               true};
  for (int l = 0; l < config.layers; ++l) {
    x = layers.transformer_layer(x, fmt::format("layer_{}", l), shape);
  }
  x = layers.layer_norm(x, "norm");
  const Value logits = config.tied ? graph.add("matmul", {x, graph.add("transpose", {table})})
                                   : layers.linear(x, "head", config.vocabulary);
  return layers.classify(logits, layers.reshape(targets, {rows}));
}

}  // namespace lamina
