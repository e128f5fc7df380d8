// Checkpoints: one safetensors file each, with a JSON text that says what it is (docs/formats.md).
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "base/check.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "lamina/train.h"
#include "nn/train/tensor_names.h"

namespace lamina::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kKey = "lamina_checkpoint";  // of the metadata
constexpr std::int64_t kVersion = 1;
constexpr std::string_view kParameter = "parameter/";
constexpr std::string_view kOptimizer = "optimizer/";
constexpr std::string_view kPrefix = "step_";
constexpr std::string_view kSuffix = ".safetensors";

// Of names, types, shapes and elements.
std::string hash_of(const NamedTensors& tensors) {
  Hasher hasher;
  for (const auto& [name, tensor] : tensors) {
    const Tensor dense = tensor.dense();
    hasher.add(name).add(traits(dense.dtype()).name).add(to_string(dense.shape()));
    hasher.add(std::span<const std::byte>(dense.data(), dense.bytes()));
  }
  return hasher.hex();
}

// The step in a file name; nullopt for other files.
std::optional<std::int64_t> step_of(const std::string& file) {
  if (!file.starts_with(kPrefix) || !file.ends_with(kSuffix)) return std::nullopt;
  const char* begin = file.data() + kPrefix.size();
  const char* end = file.data() + file.size() - kSuffix.size();
  std::int64_t step = 0;
  const auto [stop, error] = std::from_chars(begin, end, step);
  if (error != std::errc() || stop != end || step < 0) return std::nullopt;
  return step;
}

// Steps of the checkpoints in the folder, ascending.
std::vector<std::int64_t> steps_in(const std::string& folder) {
  std::vector<std::int64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (const auto step = step_of(entry.path().filename().string())) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::string path_of(const std::string& folder, std::int64_t step) {
  return fmt::format("{}/{}{:08}{}", folder, kPrefix, step, kSuffix);
}

NamedTensors tensors_of(const Checkpoint& checkpoint) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : checkpoint.parameters) {
    tensors[std::string(kParameter) + name] = tensor;
  }
  for (const auto& [name, tensor] : checkpoint.optimizer) {
    tensors[std::string(kOptimizer) + name] = tensor;
  }
  return tensors;
}

std::string describe(const Checkpoint& checkpoint, const NamedTensors& tensors) {
  Json json;
  json["version"] = kVersion;
  json["network"] = checkpoint.network;
  json["step"] = checkpoint.step;
  json["cursor"] = checkpoint.cursor;
  json["seed"] = std::to_string(checkpoint.seed);
  if (std::isfinite(checkpoint.loss)) json["loss"] = checkpoint.loss;
  json["hash"] = hash_of(tensors);
  json["notes"] = Json(Json::Object());
  for (const auto& [key, value] : checkpoint.notes) json["notes"][key] = value;
  return json.dump();
}

void read_description(const std::string& text, const std::string& path, Checkpoint& to,
                      const NamedTensors& tensors) {
  const Json json = Json::parse(text);
  const std::int64_t version = json.at("version").integer();
  require(version == kVersion, "{}: checkpoint version {}; expected {}", path, version, kVersion);
  to.network = json.at("network").text();
  to.step = json.at("step").integer();
  to.cursor = json.at("cursor").integer();
  require(to.step >= 0 && to.cursor >= 0, "{}: step {}, cursor {}", path, to.step, to.cursor);
  if (const Json* loss = json.find("loss")) to.loss = loss->real();
  const std::string& seed = json.at("seed").text();
  const auto [stop, error] = std::from_chars(seed.data(), seed.data() + seed.size(), to.seed);
  require(error == std::errc() && stop == seed.data() + seed.size(), "{}: the seed '{}'", path,
          seed);
  for (const auto& [key, value] : json.at("notes").object()) to.notes[key] = value.text();
  require(json.at("hash").text() == hash_of(tensors), "{}: damaged: its hash is another", path);
}

}  // namespace

void save_checkpoint(const std::string& folder, const Checkpoint& checkpoint, int keep) {
  require(keep >= 1, "checkpoints: {} to keep; expected at least 1", keep);
  make_folder(folder);
  const NamedTensors tensors = tensors_of(checkpoint);
  save_safetensors(path_of(folder, checkpoint.step), tensors,
                   {{std::string(kKey), describe(checkpoint, tensors)}});
  const std::vector<std::int64_t> steps = steps_in(folder);
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < steps.size(); ++i) {
    std::error_code error;
    fs::remove(path_of(folder, steps[i]), error);
    if (error) {
      fail(ErrorCode::kIo, "cannot remove the old checkpoint '{}': {}", path_of(folder, steps[i]),
           error.message());
    }
  }
}

Checkpoint load_checkpoint(const std::string& path) {
  const Metadata metadata = load_safetensors_metadata(path);
  const auto described = metadata.find(std::string(kKey));
  require(described != metadata.end(), "{}: no checkpoint of a training", path);
  const NamedTensors tensors = load_safetensors(path);
  Checkpoint checkpoint;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(kParameter)) {
      checkpoint.parameters[name.substr(kParameter.size())] = tensor;
    } else if (name.starts_with(kOptimizer)) {
      checkpoint.optimizer[name.substr(kOptimizer.size())] = tensor;
    } else {
      fail(ErrorCode::kInvalidArgument, "{}: a tensor '{}' in a checkpoint", path, name);
    }
  }
  read_description(described->second, path, checkpoint, tensors);
  return checkpoint;
}

std::optional<std::string> latest_checkpoint(const std::string& folder) {
  const std::vector<std::int64_t> steps = steps_in(folder);
  if (steps.empty()) return std::nullopt;
  return path_of(folder, steps.back());
}

void restore_parameters(const Checkpoint& checkpoint, NamedTensors& parameters) {
  for (const auto& [name, tensor] : checkpoint.parameters) {
    require(parameters.contains(name), "checkpoint: the network has no parameter '{}'", name);
  }
  for (auto& [name, parameter] : parameters) {
    copy_into(find_tensor(checkpoint.parameters, name, "checkpoint"), parameter, name);
  }
}

}  // namespace lamina::train
