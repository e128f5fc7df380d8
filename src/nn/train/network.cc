// What a network must be to be trained, and the initial elements of its parameters.
#include <algorithm>
#include <cmath>
#include <optional>

#include "base/check.h"
#include "base/hash.h"
#include "base/rng.h"
#include "lamina/train.h"

namespace lamina::train {
namespace {

bool is_frozen(const Network& network, const std::string& name) {
  return std::count(network.frozen.begin(), network.frozen.end(), name) > 0;
}

const Node& node_of(const Graph& graph, NodeId id) {
  return graph.nodes[static_cast<std::size_t>(id)];
}

// How a parameter's elements begin: all `fill`, or normal with this deviation.
struct Initial {
  double fill = 0.0;
  double deviation = 0.0;
};

constexpr double kTableDeviation = 0.02;  // of embeddings, as in GPT-2

Initial of_fan_in(const Dims& shape, std::size_t first, double gain) {
  double fan_in = 1.0;
  for (std::size_t i = first; i < shape.size(); ++i) {
    fan_in *= static_cast<double>(shape[i].constant().value_or(1));
  }
  return {0.0, std::sqrt(gain / std::max(1.0, fan_in))};
}

Initial of_factor(const Dims& shape, std::size_t operand) {
  if (shape.size() < 2) return of_fan_in(shape, 0, 1.0);
  const Dim& summed = operand == 0 ? shape.back() : shape[shape.size() - 2];
  return of_fan_in({summed}, 0, 1.0);
}

bool is_vector(const Dims& shape) {
  return std::count_if(shape.begin(), shape.end(), [](const Dim& d) { return d != Dim(1); }) <= 1;
}

// By what reads the parameter, as operand `operand`; nothing for operators that only move it.
std::optional<Initial> initial_for(std::string_view op, std::size_t operand, const Dims& shape) {
  const bool is_norm = op == "layer_norm" || op == "rms_norm" || op == "group_norm" ||
                       op == "instance_norm" || op == "batch_norm";
  if (is_norm) return Initial{operand == 1 || operand == 4 ? 1.0 : 0.0};
  if (op == "embedding" || op == "gather") return Initial{0.0, kTableDeviation};
  const bool is_conv = op == "conv" || op == "conv_last" || op == "conv_transpose";
  if (is_conv) return operand == 1 ? of_fan_in(shape, 1, 2.0) : Initial{};
  if (op == "grouped_conv") return of_fan_in(shape, 2, 2.0);
  if (op == "matmul" || op == "einsum") return of_factor(shape, operand);
  if (op == "mul" && is_vector(shape)) return Initial{1.0};
  if (op == "add" || op == "sub") {
    return is_vector(shape) ? Initial{} : Initial{0.0, kTableDeviation};
  }
  return std::nullopt;
}

// Follows the value through the nodes that only move or convert it to its first real reader.
Initial find_initial(const Graph& graph, Value value) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] != value) continue;
      const std::string_view op = op_name(node);
      if (const auto initial = initial_for(op, i, graph.type(value).shape)) return *initial;
      const bool passes = op == "cast" || op == "transpose" || op == "reshape" ||
                          op == "broadcast" || op == "slice" || op == "split";
      if (passes) return find_initial(graph, {static_cast<NodeId>(n), 0});
    }
  }
  return {0.0, kTableDeviation};
}

// The stream of a parameter depends on its name, not on its place among others.
Rng stream_of(const std::string& name, std::uint64_t seed) {
  const std::string digits = Hasher().add(name).hex().substr(0, 16);
  return Rng(seed).split(std::stoull(digits, nullptr, 16));
}

Tensor draw(const Type& type, const std::string& name, const Initial& initial, std::uint64_t seed) {
  const std::optional<Shape> shape = constant_shape(type.shape);
  require(shape.has_value(), "network: the parameter '{}' has no fixed shape: {}", name,
          to_string(type));
  std::vector<double> values(static_cast<std::size_t>(element_count(*shape)), initial.fill);
  if (initial.deviation > 0.0) {
    Rng rng = stream_of(name, seed);
    for (double& value : values) value = initial.deviation * rng.normal();
  }
  return Tensor::from_doubles(type.dtype, *shape, values);
}

void validate_input(const Graph& graph, const Input& input) {
  const Node& node = node_of(graph, input.node);
  const Type& type = node.types[0];
  require(input.role != Role::kState, "network: '{}' is a state; networks have none", node.name);
  if (input.role == Role::kWeight) {
    require(traits(type.dtype).is_float && !is_packed(type.dtype),
            "network: the parameter '{}' is {}; floats are trained", node.name,
            traits(type.dtype).name);
    return;
  }
  require(!type.shape.empty(), "network: the input '{}' has no axis of samples", node.name);
  const auto rows = [&](std::int64_t n) {
    return type.shape[0].evaluate({{std::string(kSamples), n}});
  };
  require(rows(0) == 0 && rows(1) > 0 && rows(3) == 3 * rows(1),
          "network: the first axis of input '{}' is {}; expected a multiple of {}", node.name,
          type.shape[0].to_string(), kSamples);
}

// What keeps a graph from being trained, whatever its inputs are; "": nothing.
std::string why_no_loss(const Graph& graph) {
  if (graph.sizes.size() != 1 || graph.sizes[0].name != kSamples) {
    return fmt::format("expected the one named size {}", kSamples);
  }
  if (graph.outputs.empty()) return "there is no loss";
  const Type& loss = graph.type(graph.outputs[0].value);
  if (loss.dtype == DType::kF32 && loss.shape.empty()) return "";
  return fmt::format("the loss '{}' is {}; expected a scalar f32", graph.outputs[0].name,
                     to_string(loss));
}

}  // namespace

bool has_loss(const Graph& graph) { return why_no_loss(graph).empty(); }

void validate(const Network& network) {
  const Graph& graph = network.graph;
  lamina::validate(graph);
  const std::string why = why_no_loss(graph);
  require(why.empty(), "network '{}': {}", network.name, why);
  std::vector<std::string> weights;
  for (const Input& input : graph.inputs) {
    validate_input(graph, input);
    if (input.role == Role::kWeight) weights.push_back(node_of(graph, input.node).name);
  }
  for (const std::string& name : network.frozen) {
    require(std::count(weights.begin(), weights.end(), name) > 0,
            "network '{}': '{}' is frozen but no weight", network.name, name);
  }
}

std::vector<std::string> trained_parameters(const Network& network) {
  std::vector<std::string> names;
  for (const Input& input : network.graph.inputs) {
    const std::string& name = node_of(network.graph, input.node).name;
    if (input.role == Role::kWeight && !is_frozen(network, name)) names.push_back(name);
  }
  return names;
}

NamedTensors initial_parameters(const Network& network, std::uint64_t seed) {
  NamedTensors parameters;
  for (const Input& input : network.graph.inputs) {
    if (input.role != Role::kWeight) continue;
    const Node& node = node_of(network.graph, input.node);
    parameters[node.name] =
        input.value.empty()
            ? draw(node.types[0], node.name, find_initial(network.graph, {input.node, 0}), seed)
            : input.value.clone();
  }
  return parameters;
}

}  // namespace lamina::train
