// DLRM: dense branches and bags of embeddings that interact by concatenation.
#include <array>

#include "base/check.h"
#include "lamina/nn.h"
#include "nn/layers.h"

namespace lamina {
namespace {

Value bag_of(Layers& layers, const DlrmConfig& config, int table) {
  const Value ids = layers.input(fmt::format("ids_{}", table), DType::kI64, {config.bag});
  const Value rows =
      layers.embedding(ids, fmt::format("table_{}", table), config.rows, config.columns);
  return layers.reshape(rows, {Layers::samples(), config.bag * config.columns});
}

}  // namespace

train::Network dlrm(const DlrmConfig& config) {
  require_positive("dlrm",
                   std::array<std::int64_t, 8>{config.dense_branches, config.layers, config.tables,
                                               config.post_layers, config.width, config.rows,
                                               config.columns, config.bag});
  Layers layers("dlrm");
  Graph& graph = layers.graph();
  std::vector<Value> parts;
  for (int b = 0; b < config.dense_branches; ++b) {
    const Value dense = layers.input(fmt::format("dense_{}", b), DType::kF32, {config.width});
    parts.push_back(
        layers.feed_forward(dense, fmt::format("branch_{}", b), config.layers, config.width));
  }
  for (int t = 0; t < config.tables; ++t) parts.push_back(bag_of(layers, config, t));
  const Value joined = graph.add("concat", parts, {{"axis", 1}});
  const Value x = layers.feed_forward(joined, "post", config.post_layers, config.width);
  const Value logit = layers.linear(x, "click", 1);
  const Value clicks = layers.input("clicks", DType::kF32, {1});
  // -log of the probability: softplus(z) - z y.
  const Value each =
      graph.add("sub", {graph.add("softplus", {logit}), graph.add("mul", {logit, clicks})});
  return layers.finish(graph.add("mean", {each}), graph.add("sigmoid", {logit}));
}

}  // namespace lamina
