// The BERT encoder as a graph.
#include <cmath>
#include <filesystem>

#include "base/check.h"
#include "lamina/nn.h"

namespace lamina {
namespace {

class BertBuilder {
 public:
  BertBuilder(const EncoderConfig& config, const NamedTensors& weights, const SizeRange& tokens)
      : config_(config), weights_(weights), tokens_(Dim::size(tokens.name)) {
    graph_.name = "bert_encoder";
    graph_.sizes = {tokens};
  }

  Graph build() {
    Value x = embeddings();
    for (std::int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
      const std::string name = "encoder.layer." + std::to_string(layer) + ".";
      x = layer_norm(graph_.add("add", {attention(x, name), x}),
                     name + "attention.output.LayerNorm");
      x = layer_norm(graph_.add("add", {feed_forward(x, name), x}), name + "output.LayerNorm");
    }
    graph_.add_output("last_hidden_state", x);
    graph_.add_output("sentence_embedding", pool(x));
    return std::move(graph_);
  }

 private:
  const Tensor& tensor(const std::string& name, const Shape& shape) const {
    const auto found = weights_.find(name);
    if (found == weights_.end()) fail(ErrorCode::kNotFound, "no weight is called '{}'", name);
    require(found->second.shape() == shape, "weight '{}': expected shape {}, got {}", name,
            to_string(shape), to_string(found->second.shape()));
    return found->second;
  }

  Value weight(const std::string& name, const Shape& shape) {
    return graph_.add_weight(name, tensor(name, shape).cast(DType::kF32));
  }

  // Hugging Face stores linear layers as [out, in].
  Value linear(Value x, const std::string& name, std::int64_t in, std::int64_t out) {
    const Value w = graph_.add("transpose", {weight(name + ".weight", {out, in})});
    return graph_.add("add", {graph_.add("matmul", {x, w}), weight(name + ".bias", {out})});
  }

  Value layer_norm(Value x, const std::string& name) {
    return graph_.add("layer_norm",
                      {x, weight(name + ".weight", {config_.hidden_size}),
                       weight(name + ".bias", {config_.hidden_size})},
                      {{"axes", Dims{-1}}, {"epsilon", config_.layer_norm_eps}});
  }

  Value embeddings() {
    const std::int64_t hidden = config_.hidden_size;
    const Value ids = graph_.add_input("input_ids", {DType::kI64, {tokens_}, {}});
    const Value words = weight("embeddings.word_embeddings.weight", {config_.vocab_size, hidden});
    const Value places =
        weight("embeddings.position_embeddings.weight", {config_.max_position_embeddings, hidden});
    const Value kinds = weight("embeddings.token_type_embeddings.weight", {2, hidden});
    const Value word = graph_.add("gather", {words, ids}, {{"axis", 0}});
    const Value place = graph_.add("slice", {places}, {{"size", Dims{tokens_, hidden}}});
    const Value kind = graph_.add("slice", {kinds}, {{"size", Dims{1, hidden}}});
    const Value sum = graph_.add("add", {graph_.add("add", {word, kind}), place});
    return layer_norm(sum, "embeddings.LayerNorm");
  }

  // [T, hidden] -> [heads, T, head].
  Value heads(Value x) {
    const Value split =
        graph_.add("reshape", {x},
                   {{"shape", Dims{tokens_, config_.num_attention_heads, config_.head_size()}}});
    return graph_.add("transpose", {split}, {{"axes", Dims{1, 0, 2}}});
  }

  Value attention(Value x, const std::string& layer) {
    const std::int64_t hidden = config_.hidden_size;
    const std::string self = layer + "attention.self.";
    const Value q = heads(linear(x, self + "query", hidden, hidden));
    const Value k = heads(linear(x, self + "key", hidden, hidden));
    const Value v = heads(linear(x, self + "value", hidden, hidden));
    const Value keys = graph_.add("transpose", {k}, {{"axes", Dims{0, 2, 1}}});
    const double scale = 1.0 / std::sqrt(static_cast<double>(config_.head_size()));
    const Value scores =
        graph_.add("mul", {graph_.add("matmul", {q, keys}), graph_.constant(scale)});
    const Value weights = graph_.add("softmax", {scores}, {{"axis", -1}});
    const Value mixed =
        graph_.add("transpose", {graph_.add("matmul", {weights, v})}, {{"axes", Dims{1, 0, 2}}});
    const Value joined = graph_.add("reshape", {mixed}, {{"shape", Dims{tokens_, hidden}}});
    return linear(joined, layer + "attention.output.dense", hidden, hidden);
  }

  Value feed_forward(Value x, const std::string& layer) {
    const Value inner =
        linear(x, layer + "intermediate.dense", config_.hidden_size, config_.intermediate_size);
    return linear(graph_.add("gelu", {inner}), layer + "output.dense", config_.intermediate_size,
                  config_.hidden_size);
  }

  // Mean over tokens, scaled to length 1 (a length below 1e-12 counts as 1e-12, as in PyTorch).
  Value pool(Value x) {
    const Value mean = graph_.add("mean", {x}, {{"axes", Dims{0}}});
    const Value squares =
        graph_.add("sum", {graph_.add("mul", {mean, mean})}, {{"keepdims", true}});
    const Value length = graph_.add("max", {graph_.add("sqrt", {squares}), graph_.constant(1e-12)});
    return graph_.add("div", {mean, length});
  }

  const EncoderConfig& config_;
  const NamedTensors& weights_;
  Dim tokens_;
  Graph graph_;
};

}  // namespace

Graph bert_encoder(const EncoderConfig& config, const NamedTensors& weights,
                   const SizeRange& tokens) {
  require(config.num_attention_heads > 0 && config.hidden_size % config.num_attention_heads == 0,
          "encoder: hidden size {} is not a multiple of {} heads", config.hidden_size,
          config.num_attention_heads);
  require(tokens.min >= 1 && tokens.max <= config.max_position_embeddings,
          "encoder: {} tokens, but there are {} position embeddings", tokens.max,
          config.max_position_embeddings);
  return BertBuilder(config, weights, tokens).build();
}

Graph load_network(const std::string& path, const LoadOptions& options) {
  namespace fs = std::filesystem;
  std::error_code ignored;  // what cannot be looked at cannot be loaded either: load_model says so
  const fs::path folder(path);
  if (!fs::is_directory(folder, ignored) || is_program_folder(path)) {
    return load_model(path, options);
  }
  const EncoderConfig config = load_encoder_config((folder / "config.json").string());
  const NamedTensors weights = load_safetensors((folder / "model.safetensors").string());
  Graph graph = bert_encoder(config, weights, {"T", 1, config.max_position_embeddings});
  return options.sizes.empty() ? graph : bind_sizes(graph, options.sizes);
}

}  // namespace lamina
