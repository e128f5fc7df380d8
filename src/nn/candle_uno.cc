// CANDLE-Uno: branches of linear layers that meet in a stack of them.
#include <array>

#include "base/check.h"
#include "lamina/nn.h"
#include "nn/layers.h"

namespace lamina {

train::Network candle_uno(const CandleUnoConfig& config) {
  require_positive("candle-uno", std::array<std::int64_t, 4>{config.branches, config.layers,
                                                             config.post_layers, config.width});
  Layers layers("candle-uno");
  Graph& graph = layers.graph();
  std::vector<Value> branches;
  for (int b = 0; b < config.branches; ++b) {
    const Value features = layers.input(fmt::format("features_{}", b), DType::kF32, {config.width});
    branches.push_back(
        layers.feed_forward(features, fmt::format("branch_{}", b), config.layers, config.width));
  }
  const Value joined = graph.add("concat", branches, {{"axis", 1}});
  const Value x = layers.feed_forward(joined, "post", config.post_layers, config.width);
  const Value prediction = layers.linear(x, "growth_head", 1);
  const Value growth = layers.input("growth", DType::kF32, {1});
  const Value error = graph.add("sub", {prediction, growth});
  return layers.finish(graph.add("mean", {graph.add("mul", {error, error})}), prediction);
}

}  // namespace lamina
