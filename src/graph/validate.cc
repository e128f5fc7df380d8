// Well-formedness of graphs.
#include <set>

#include "base/check.h"
#include "graph/op_def.h"

namespace lamina {
namespace {

void check_edge(const Graph& graph, Value value, std::size_t before, const std::string& user) {
  require(value.node >= 0 && static_cast<std::size_t>(value.node) < before,
          "graph '{}': {} uses node {}, which is not an earlier node", graph.name, user,
          value.node);
  const Node& owner = graph.nodes[static_cast<std::size_t>(value.node)];
  require(value.output >= 0 && static_cast<std::size_t>(value.output) < owner.types.size(),
          "graph '{}': {} uses output {} of '{}', which has {}", graph.name, user, value.output,
          owner.name, owner.types.size());
}

void check_sizes(const Graph& graph, const Type& type, const std::string& owner) {
  std::vector<std::string> names;
  for (const Dim& dim : type.shape) dim.collect_names(names);
  for (const std::string& name : names) {
    bool declared = false;
    for (const SizeRange& range : graph.sizes) declared = declared || range.name == name;
    require(declared, "graph '{}': '{}' has the shape {}, but size '{}' is not declared",
            graph.name, owner, to_string(type.shape), name);
  }
}

void check_node(const Graph& graph, std::size_t n) {
  const Node& node = graph.nodes[n];
  require(node.op != nullptr, "graph '{}': node {} has no operator", graph.name, n);
  for (const Value& input : node.inputs) check_edge(graph, input, n, "'" + node.name + "'");
  if (node.op->name == "input") {
    require(graph.input(static_cast<NodeId>(n)) != nullptr && node.types.size() == 1,
            "graph '{}': input node '{}' is not declared", graph.name, node.name);
    check_sizes(graph, node.types[0], node.name);
    return;
  }
  for (const Graph& inner : node.graphs) validate(inner);
  std::vector<Type> types;
  const std::vector<Type> inferred = node.op->infer(view(graph, node, types));
  require(inferred == node.types, "graph '{}': the types of '{}' are not what {} infers",
          graph.name, node.name, node.op->name);
}

void check_updates(const Graph& graph) {
  std::set<NodeId> seen;
  for (const Update& update : graph.updates) {
    const Input* state = graph.input(update.state);
    require(state != nullptr && state->role == Role::kState,
            "graph '{}': an update of node {}, which is not a state", graph.name, update.state);
    require(seen.insert(update.state).second, "graph '{}': a state is updated twice", graph.name);
    check_edge(graph, update.next, graph.nodes.size(), "an update");
    require(graph.type(update.next) == graph.type({update.state, 0}),
            "graph '{}': a state of type {} is updated with {}", graph.name,
            to_string(graph.type({update.state, 0})), to_string(graph.type(update.next)));
  }
}

}  // namespace

void validate(const Graph& graph) {
  std::set<std::string> names;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    check_node(graph, n);
    require(names.insert(graph.nodes[n].name).second, "graph '{}': two values are called '{}'",
            graph.name, graph.nodes[n].name);
  }
  for (const Input& input : graph.inputs) {
    require(input.node >= 0 && static_cast<std::size_t>(input.node) < graph.nodes.size() &&
                graph.nodes[static_cast<std::size_t>(input.node)].op->name == "input",
            "graph '{}': an input names node {}, which is not an input node", graph.name,
            input.node);
  }
  std::set<std::string> outputs;
  for (const Output& output : graph.outputs) {
    check_edge(graph, output.value, graph.nodes.size(), "output '" + output.name + "'");
    require(outputs.insert(output.name).second, "graph '{}': two outputs are called '{}'",
            graph.name, output.name);
  }
  check_updates(graph);
}

}  // namespace lamina
