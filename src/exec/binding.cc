// Binding named sizes to the shapes of a run.
#include "exec/binding.h"

#include "base/check.h"

namespace lamina {
namespace {

const Node& node_of(const Graph& graph, const Input& input) {
  return graph.nodes[static_cast<std::size_t>(input.node)];
}

// The name of the size that `dim` is, or "".
std::string_view bare_size(const Dim& dim) {
  const auto terms = dim.terms();
  const bool bare = dim.constant_part() == 0 && terms.size() == 1 && terms[0].coefficient == 1 &&
                    terms[0].factors.size() == 1 &&
                    terms[0].factors[0].kind == Dim::Factor::Kind::kSize;
  return bare ? std::string_view(terms[0].factors[0].name) : std::string_view();
}

void bind_dims(const Graph& graph, const Input& input, const Tensor& tensor, Sizes& sizes) {
  const Node& node = node_of(graph, input);
  const Type& type = node.types[0];
  require(tensor.dtype() == type.dtype, "input '{}': expected {}, got {}", node.name,
          traits(type.dtype).name, traits(tensor.dtype()).name);
  require(tensor.shape().size() == type.shape.size(), "input '{}': expected shape {}, got {}",
          node.name, to_string(type.shape), to_string(tensor.shape()));
  for (std::size_t i = 0; i < type.shape.size(); ++i) {
    const std::string_view size = bare_size(type.shape[i]);
    if (size.empty()) continue;
    const auto [entry, fresh] = sizes.try_emplace(std::string(size), tensor.shape()[i]);
    require(fresh || entry->second == tensor.shape()[i],
            "input '{}': size {} is {} here but {} in another input", node.name, size,
            tensor.shape()[i], entry->second);
  }
}

}  // namespace

std::vector<const Input*> run_inputs(const Graph& graph) {
  std::vector<const Input*> result;
  for (const Input& input : graph.inputs) {
    if (input.role == Role::kInput || input.role == Role::kDonated) result.push_back(&input);
  }
  return result;
}

Sizes bind_inputs(const Graph& graph, std::span<const Tensor> inputs) {
  const std::vector<const Input*> wanted = run_inputs(graph);
  require(inputs.size() == wanted.size(), "graph '{}': expected {} inputs, got {}", graph.name,
          wanted.size(), inputs.size());
  Sizes sizes;
  for (std::size_t i = 0; i < wanted.size(); ++i) bind_dims(graph, *wanted[i], inputs[i], sizes);
  for (const SizeRange& range : graph.sizes) {
    const auto found = sizes.find(range.name);
    require(found != sizes.end(), "size '{}' is not a dimension of any input", range.name);
    require(found->second >= range.min && found->second <= range.max,
            "size '{}' is {}, outside {}..{}", range.name, found->second, range.min, range.max);
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Shape expected = evaluate(node_of(graph, *wanted[i]).types[0].shape, sizes);
    require(expected == inputs[i].shape(), "input '{}': expected shape {}, got {}",
            node_of(graph, *wanted[i]).name, to_string(expected), to_string(inputs[i].shape()));
  }
  return sizes;
}

void bind_weight(Graph& graph, std::string_view name, const Tensor& value) {
  for (Input& input : graph.inputs) {
    const Node& node = graph.nodes[static_cast<std::size_t>(input.node)];
    if (input.role != Role::kWeight || node.name != name) continue;
    const auto shape = constant_shape(node.types[0].shape);
    require(value.dtype() == node.types[0].dtype && (!shape || *shape == value.shape()),
            "weight '{}': expected {}, got {}{}", name, to_string(node.types[0]),
            traits(value.dtype()).name, to_string(value.shape()));
    input.value = value;
    return;
  }
  fail(ErrorCode::kNotFound, "graph '{}' has no weight '{}'", graph.name, name);
}

}  // namespace lamina
