// Follows integer inputs through a graph to the axes that they index.
#include "verify/index_limits.h"

#include <algorithm>
#include <set>
#include <utility>

#include "graph/op_def.h"

namespace lamina {
namespace {

using Sources = std::set<std::size_t>;  // outer inputs that a value is made of

class IndexLimits {
 public:
  IndexLimits(std::size_t inputs, const Sizes& sizes) : limits(inputs), sizes_(sizes) {}

  // `given`: the sources of each graph input that the caller supplies, in order (states have none).
  void visit(const Graph& graph, const std::vector<Sources>& given) {
    std::vector<Sources> sources(graph.nodes.size());
    std::size_t next = 0;
    for (const Input& input : graph.inputs) {
      const bool outside = given.size() == graph.inputs.size() || input.role != Role::kState;
      if (outside && next < given.size()) {
        sources[static_cast<std::size_t>(input.node)] = given[next++];
      }
    }
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const Node& node = graph.nodes[n];
      if (node.op->name == "input") continue;
      std::vector<Sources> operands;
      for (const Value& v : node.inputs) {
        operands.push_back(sources[static_cast<std::size_t>(v.node)]);
        if (traits(graph.type(v).dtype).is_float) operands.back().clear();
        sources[n].insert(operands.back().begin(), operands.back().end());
      }
      visit_node(graph, node, operands);
    }
  }

  std::vector<std::optional<std::int64_t>> limits;

 private:
  void visit_node(const Graph& graph, const Node& node, const std::vector<Sources>& operands) {
    if (std::all_of(operands.begin(), operands.end(), [](const Sources& s) { return s.empty(); })) {
      return;
    }
    for (const Graph& inner : node.graphs) visit(inner, operands);
    std::vector<Type> types;
    const NodeView seen = view(graph, node, types);
    if (node.op->move_form != nullptr) {
      for (const Copy& copy : node.op->move_form(seen).copies) {
        if (copy.operand >= 0) {
          narrow(copy.from, types[static_cast<std::size_t>(copy.operand)].shape, operands);
        }
        narrow(copy.to, node.types[static_cast<std::size_t>(copy.output)].shape, operands);
      }
    } else if (node.op->expand != nullptr) {
      visit(node.op->expand(seen), operands);
    }
  }

  void narrow(const Access& access, const Dims& dims, const std::vector<Sources>& operands) {
    Shape shape = evaluate(dims, sizes_);
    if (access.flat) shape = {element_count(shape)};
    for (std::size_t axis = 0; axis < access.axes.size() && axis < shape.size(); ++axis) {
      for (const AxisIndex::Indirect& indirect : access.axes[axis].indirect) {
        for (const std::size_t source : operands[static_cast<std::size_t>(indirect.operand)]) {
          limits[source] = std::min(limits[source].value_or(shape[axis]), shape[axis]);
        }
      }
    }
  }

  const Sizes& sizes_;
};

}  // namespace

std::vector<std::optional<std::int64_t>> index_limits(const Graph& graph, const Sizes& sizes) {
  IndexLimits found(graph.inputs.size(), sizes);
  std::vector<Sources> sources;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) sources.push_back({i});
  found.visit(graph, sources);
  return found.limits;
}

}  // namespace lamina
