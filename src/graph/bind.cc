// Fixed values for named sizes.
#include <map>

#include "base/check.h"
#include "graph/op_def.h"

namespace lamina {
namespace {

using Values = std::map<std::string, Dim, std::less<>>;

Dims substitute(const Dims& dims, const Values& values) {
  Dims result;
  for (const Dim& dim : dims) result.push_back(dim.substitute(values));
  return result;
}

Attrs substitute(const Attrs& attrs, const Values& values) {
  Attrs result = attrs;
  for (const auto& [name, attr] : attrs) {
    if (const auto* dims = std::get_if<Dims>(&attr)) result.set(name, substitute(*dims, values));
  }
  return result;
}

Graph bound(const Graph& graph, const Values& values) {
  Graph result = graph;
  for (const auto& [name, value] : values) {
    std::erase_if(result.sizes, [&](const SizeRange& size) { return size.name == name; });
  }
  std::vector<Type> input_types;
  for (Node& node : result.nodes) {
    if (node.op->name == "input") {
      for (Type& type : node.types) {
        type = {type.dtype, substitute(type.shape, values), substitute(type.strides, values)};
      }
      continue;
    }
    node.attrs = substitute(node.attrs, values);
    for (Graph& inner : node.graphs) inner = bound(inner, values);
    node.types = node.op->infer(view(result, node, input_types));
  }
  return result;
}

}  // namespace

Graph bind_sizes(const Graph& graph, const Sizes& sizes) {
  Values values;
  for (const auto& [name, value] : sizes) {
    const SizeRange* range = nullptr;
    for (const SizeRange& size : graph.sizes) {
      if (size.name == name) range = &size;
    }
    require(range != nullptr, "graph '{}' has no size '{}'", graph.name, name);
    require(value >= range->min && value <= range->max, "size {} = {} is not in {}..{}", name,
            value, range->min, range->max);
    values.emplace(name, Dim(value));
  }
  return bound(graph, values);
}

}  // namespace lamina
