// Comparing the signatures of two graphs.
#include "verify/signature.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "graph/op_def.h"

namespace lamina {
namespace {

const Node& input_node(const Graph& graph, std::size_t i) {
  return graph.nodes[static_cast<std::size_t>(graph.inputs[i].node)];
}

bool same_type(const Type& a, const Type& b) { return a.dtype == b.dtype && a.shape == b.shape; }

void require_same_weights(const Input& a, const Input& b, const Node& node) {
  if (traits(node.types[0].dtype).is_float || a.value.empty() || b.value.empty()) return;
  require(a.value.to_integers() == b.value.to_integers(),
          "the graphs differ in the elements of the integer weight '{}'", node.name);
}

void collect(const Graph& graph, std::set<std::string>& names) {
  for (const Node& node : graph.nodes) {
    const OpDef& op = *node.op;
    const bool region = !node.graphs.empty() || op.name == "input" || op.name == "load" ||
                        op.name == "store" || op.name == "after";
    const bool orders =
        op.order_form != nullptr && traits(graph.type(node.inputs[0]).dtype).is_float;
    const bool meaning = region || op.scalar.formal != nullptr || op.scalar.whole != nullptr ||
                         op.loop_form != nullptr || op.order_form != nullptr ||
                         op.move_form != nullptr || op.expand != nullptr;
    if (orders || !meaning) names.insert(std::string(op.name));
    for (const Graph& inner : node.graphs) collect(inner, names);
    if (op.expand == nullptr || op.scalar.formal != nullptr) continue;
    std::vector<Type> types;
    collect(op.expand(view(graph, node, types)), names);
  }
}

}  // namespace

void require_same_signature(const Graph& a, const Graph& b, bool match_names) {
  require(a.inputs.size() == b.inputs.size(), "the graphs have {} and {} inputs", a.inputs.size(),
          b.inputs.size());
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    const Node& x = input_node(a, i);
    const Node& y = input_node(b, i);
    require(!match_names || x.name == y.name, "input {} is called '{}' and '{}'", i, x.name,
            y.name);
    require(same_type(x.types[0], y.types[0]), "input '{}' is {} and {}", x.name,
            to_string(x.types[0]), to_string(y.types[0]));
    require((a.inputs[i].role == Role::kState) == (b.inputs[i].role == Role::kState),
            "input '{}' is a state in one graph only", x.name);
    require_same_weights(a.inputs[i], b.inputs[i], x);
  }
  require(a.outputs.size() == b.outputs.size(), "the graphs have {} and {} outputs",
          a.outputs.size(), b.outputs.size());
  for (std::size_t i = 0; i < a.outputs.size(); ++i) {
    const Type& x = a.type(a.outputs[i].value);
    const Type& y = b.type(b.outputs[i].value);
    require(same_type(x, y), "output '{}' is {} and {}", a.outputs[i].name, to_string(x),
            to_string(y));
  }
}

std::vector<std::string> operators_without_field_meaning(const Graph& graph) {
  std::set<std::string> names;
  collect(graph, names);
  return {names.begin(), names.end()};
}

}  // namespace lamina
