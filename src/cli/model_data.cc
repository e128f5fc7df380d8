// Reads the .npy files of a model's inputs and weights.
#include "cli/model_data.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/check.h"
#include "cli/model_options.h"
#include "lamina/bench.h"
#include "lamina/io.h"

namespace lamina::cli {
namespace {

std::optional<Tensor> find_tensor(const std::string& folder, const Node& node) {
  const std::string path =
      (std::filesystem::path(folder) / (file_name(node.name) + ".npy")).string();
  const std::string plain = (std::filesystem::path(folder) / (node.name + ".npy")).string();
  const bool is_plain = node.name.find('/') == std::string::npos && std::filesystem::exists(plain);
  if (!is_plain && !std::filesystem::exists(path)) return std::nullopt;
  return load_npy(is_plain ? plain : path).cast(node.types[0].dtype);
}

bool is_given(const Input& input) {
  return input.role == Role::kInput || input.role == Role::kDonated;
}

// Takes the values of sizes from a shape in which they stand alone.
void read_sizes(const Graph& graph, const Dims& dims, const Tensor& tensor, Sizes& sizes) {
  for (std::size_t i = 0; i < std::min(dims.size(), tensor.shape().size()); ++i) {
    for (const SizeRange& size : graph.sizes) {
      if (dims[i] == Dim::size(size.name)) sizes.emplace(size.name, tensor.shape()[i]);
    }
  }
}

void read_folder(ModelData& data, const std::string& folder) {
  for (Input& input : data.graph.inputs) {
    const Node& node = data.graph.node({input.node, 0});
    const bool given = is_given(input);
    const bool wanted = input.role == Role::kWeight && input.value.empty();
    if (!given && !wanted) continue;
    std::optional<Tensor> tensor = find_tensor(folder, node);
    require(tensor.has_value(), "--data: there is no {}.npy in '{}'", file_name(node.name), folder);
    const Dims& dims = node.types[0].shape;
    require(dims.size() == tensor->shape().size(), "'{}' has the shape {}, its data {}", node.name,
            to_string(dims), to_string(tensor->shape()));
    read_sizes(data.graph, dims, *tensor, data.sizes);
    if (given) {
      data.inputs.push_back(std::move(*tensor));
    } else {
      input.value = std::move(*tensor);
    }
  }
}

}  // namespace

Sizes sizes_of(const Graph& graph, std::span<const Tensor> inputs) {
  Sizes sizes;
  auto tensor = inputs.begin();
  for (const Input& input : graph.inputs) {
    if (!is_given(input) || tensor == inputs.end()) continue;
    read_sizes(graph, graph.node({input.node, 0}).types[0].shape, *tensor++, sizes);
  }
  return sizes;
}

Sizes sizes_of(const Graph& graph, Sizes sizes, const std::string& folder) {
  for (const Input& input : graph.inputs) {
    if (folder.empty() || !is_given(input)) continue;
    const Node& node = graph.node({input.node, 0});
    const std::optional<Tensor> tensor = find_tensor(folder, node);
    if (tensor) read_sizes(graph, node.types[0].shape, *tensor, sizes);
  }
  return sizes;
}

ModelData prepare_data(Graph graph, Sizes sizes, const std::string& folder, std::uint64_t seed) {
  ModelData data{std::move(graph), std::move(sizes), {}};
  if (!folder.empty()) read_folder(data, folder);
  for (const SizeRange& size : data.graph.sizes) {
    require(data.sizes.contains(size.name),
            "the size '{}' ({} to {}) has no value: give --size {}=N", size.name, size.min,
            size.max, size.name);
  }
  if (!folder.empty()) return data;
  data.graph = fill_weights(data.graph, seed);
  data.inputs = random_inputs(data.graph, data.sizes, seed + 1);
  return data;
}

}  // namespace lamina::cli
