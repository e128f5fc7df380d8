// Networks as graphs, built from a configuration and a file of weights.
#pragma once

#include <map>
#include <string>

#include "lamina/graph.h"
#include "lamina/io.h"

namespace lamina {

// A BERT encoder (Devlin et al., arXiv:1810.04805) with post-layer normalisation and erf-GELU, as
// the field names of its Hugging Face config.json call it.
struct EncoderConfig {
  std::int64_t num_hidden_layers = 6;
  std::int64_t hidden_size = 384;
  std::int64_t num_attention_heads = 12;
  std::int64_t intermediate_size = 1536;
  std::int64_t vocab_size = 30522;
  std::int64_t max_position_embeddings = 512;
  double layer_norm_eps = 1e-12;

  std::int64_t head_size() const { return hidden_size / num_attention_heads; }
};

// Reads config.json of a BERT model. Throws kUnsupported that names another architecture.
EncoderConfig load_encoder_config(const std::string& path);

// One sentence of `tokens.name` tokens: input "input_ids" i64[T] -> "last_hidden_state" [T, hidden]
// and "sentence_embedding" [hidden]: the mean over tokens, scaled to length 1 (what
// sentence-transformers makes of it). Weights by their Hugging Face names; throws kNotFound that
// names a missing one and kInvalidArgument for one of another shape.
Graph bert_encoder(const EncoderConfig& config, const NamedTensors& weights,
                   const SizeRange& tokens = {"T", 1, 512});

// A model by path: a folder with config.json and model.safetensors is built by this header's
// networks, anything else (files, folders of programs) is read by load_model().
Graph load_network(const std::string& path, const LoadOptions& options = {});

}  // namespace lamina
