// Which reader makes the samples of a network's inputs.
#include <array>

#include "base/check.h"
#include "nn/train/readers.h"

namespace lamina::train {
namespace {

struct Reader {
  std::string_view name;
  std::unique_ptr<Dataset> (*load)(const DatasetOptions&, Split, const Network&);
};

constexpr std::array<Reader, 4> kReaders{{{"fashion-mnist", load_fashion_mnist},
                                          {"cifar10", load_cifar10},
                                          {"text", load_text},
                                          {"synthetic", make_synthetic}}};

}  // namespace

std::unique_ptr<Dataset> load_dataset(const DatasetOptions& options, Split split,
                                      const Network& network) {
  std::string names;
  for (const Reader& reader : kReaders) {
    if (reader.name == options.dataset) return reader.load(options, split, network);
    names += fmt::format("{}{}", names.empty() ? "" : ", ", reader.name);
  }
  fail(ErrorCode::kInvalidArgument, "dataset '{}': expected one of {}", options.dataset, names);
}

Type input_type(const Network& network, std::string_view name, std::string_view dataset) {
  std::string names;
  for (const Input& input : network.graph.inputs) {
    const Node& node = network.graph.nodes[static_cast<std::size_t>(input.node)];
    if (input.role == Role::kWeight) continue;
    if (node.name == name) return node.types[0];
    names += fmt::format("{}{}", names.empty() ? "" : ", ", node.name);
  }
  fail(ErrorCode::kNotFound, "{} gives '{}', but network '{}' has the inputs {}", dataset, name,
       network.name, names);
}

Shape sample_shape(const Type& type, std::string_view name) {
  Dims dims = type.shape;
  require(!dims.empty() && dims[0] == Dim::size(std::string(kSamples)),
          "input '{}' is {}; expected one row for each of {} samples", name, to_string(type),
          kSamples);
  dims.erase(dims.begin());
  const std::optional<Shape> shape = constant_shape(dims);
  require(shape.has_value(), "input '{}' has no fixed shape: {}", name, to_string(type));
  return *shape;
}

void check_samples(std::span<const std::int64_t> samples, std::int64_t size) {
  for (const std::int64_t sample : samples) {
    require(sample >= 0 && sample < size, "sample {} of {}", sample, size);
  }
}

}  // namespace lamina::train
