// The multi-modal transformer: towers that meet at the end.
#include <array>

#include "base/check.h"
#include "lamina/nn.h"
#include "nn/layers.h"

namespace lamina {

train::Network mmt(const MmtConfig& config) {
  require_positive("mmt", std::array<std::int64_t, 7>{config.branches, config.layers, config.tokens,
                                                      config.width, config.heads,
                                                      config.feed_forward, config.classes});
  require(config.width % config.heads == 0, "mmt: width {} is not a multiple of {} heads",
          config.width, config.heads);
  Layers layers("mmt");
  const TransformerShape shape{config.tokens, config.width, config.heads, config.feed_forward,
                               false};
  std::vector<Value> towers;
  for (int b = 0; b < config.branches; ++b) {
    const Value features =
        layers.input(fmt::format("features_{}", b), DType::kF32, {config.tokens, config.width});
    Value x = layers.reshape(features, {Layers::samples() * config.tokens, config.width});
    for (int l = 0; l < config.layers; ++l) {
      x = layers.transformer_layer(x, fmt::format("branch_{}.layer_{}", b, l), shape);
    }
    x = layers.layer_norm(x, fmt::format("branch_{}.norm", b));
    const Value sequence = layers.reshape(x, {Layers::samples(), config.tokens, config.width});
    towers.push_back(layers.graph().add("mean", {sequence}, {{"axes", Dims{1}}}));
  }
  const Value joined = layers.graph().add("concat", towers, {{"axis", 1}});
  const Value labels = layers.input("labels", DType::kI64, {});
  return layers.classify(layers.linear(joined, "head", config.classes), labels);
}

}  // namespace lamina
