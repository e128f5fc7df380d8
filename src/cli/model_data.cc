// Reads the .npy files of a model's inputs and weights.
#include "cli/model_data.h"

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

// Takes the values of sizes from a shape in which they stand alone.
void read_sizes(const Graph& graph, const Node& node, const Tensor& tensor, Sizes& sizes) {
  const Dims& dims = node.types[0].shape;
  require(dims.size() == tensor.shape().size(), "'{}' has the shape {}, its data {}", node.name,
          to_string(dims), to_string(tensor.shape()));
  for (std::size_t i = 0; i < dims.size(); ++i) {
    for (const SizeRange& size : graph.sizes) {
      if (dims[i] == Dim::size(size.name)) sizes.emplace(size.name, tensor.shape()[i]);
    }
  }
}

void read_folder(ModelData& data, const std::string& folder) {
  for (Input& input : data.graph.inputs) {
    const Node& node = data.graph.node({input.node, 0});
    const bool given = input.role == Role::kInput || input.role == Role::kDonated;
    const bool wanted = input.role == Role::kWeight && input.value.empty();
    if (!given && !wanted) continue;
    std::optional<Tensor> tensor = find_tensor(folder, node);
    require(tensor.has_value(), "--data: there is no {}.npy in '{}'", file_name(node.name), folder);
    read_sizes(data.graph, node, *tensor, data.sizes);
    if (given) {
      data.inputs.push_back(std::move(*tensor));
    } else {
      input.value = std::move(*tensor);
    }
  }
}

}  // namespace

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
