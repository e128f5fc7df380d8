// Reading Hugging Face config.json files.
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/files.h"
#include "lamina/nn.h"

namespace lamina {
namespace {

template <class T>
void take(const nlohmann::json& json, const char* key, T& value, const std::string& path) {
  const auto found = json.find(key);
  if (found == json.end()) return;
  require(found->is_number(), "{}: '{}' is not a number", path, key);
  value = found->get<T>();
}

// Refuses a configuration that says something else than what is built here.
void expect(const nlohmann::json& json, const char* key, const std::string& built,
            const std::string& path) {
  const auto found = json.find(key);
  if (found == json.end() || *found == built) return;
  fail(ErrorCode::kUnsupported, "{}: '{}' is {}; Lamina builds {}", path, key, found->dump(),
       built);
}

}  // namespace

EncoderConfig load_encoder_config(const std::string& path) {
  const nlohmann::json json = nlohmann::json::parse(read_file(path), nullptr, false);
  require(json.is_object(), "{}: expected a JSON object", path);
  expect(json, "model_type", "bert", path);
  expect(json, "hidden_act", "gelu", path);
  EncoderConfig config;
  take(json, "num_hidden_layers", config.num_hidden_layers, path);
  take(json, "hidden_size", config.hidden_size, path);
  take(json, "num_attention_heads", config.num_attention_heads, path);
  take(json, "intermediate_size", config.intermediate_size, path);
  take(json, "vocab_size", config.vocab_size, path);
  take(json, "max_position_embeddings", config.max_position_embeddings, path);
  take(json, "layer_norm_eps", config.layer_norm_eps, path);
  return config;
}

}  // namespace lamina
