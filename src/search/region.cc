// Cutting and replacing regions.
#include "search/region.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "graph/op_def.h"

namespace lamina::search {
namespace {

bool contains(const Region& region, NodeId node) {
  return std::binary_search(region.nodes.begin(), region.nodes.end(), node);
}

// Scalar constants belong to every region that reads them: they are copied, never passed in.
bool is_literal(const Graph& graph, NodeId n) {
  const Node& node = graph.nodes[static_cast<std::size_t>(n)];
  return node.op->name != "input" && node.inputs.empty() && node.types[0].shape.empty();
}

void push_unique(std::vector<Value>& values, Value value) {
  if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
}

// Copies `node` with its inputs renamed through `values`.
void copy_node(Graph& to, const Graph& from, NodeId id, std::map<Value, Value>& values) {
  const Node& node = from.nodes[static_cast<std::size_t>(id)];
  std::vector<Value> inputs;
  for (const Value& input : node.inputs) inputs.push_back(values.at(input));
  const Value added = to.add(node.op->name, std::move(inputs), node.attrs, node.name, node.graphs);
  for (std::size_t k = 0; k < node.types.size(); ++k) {
    const auto output = static_cast<std::int32_t>(k);
    values[{id, output}] = {added.node, output};
  }
}

Value copy_input(Graph& to, const Graph& from, const Input& input) {
  const Node& node = from.nodes[static_cast<std::size_t>(input.node)];
  const Value added = to.add_input(node.name, node.types[0], input.role);
  to.inputs.back().value = input.value;
  to.inputs.back().initial = input.initial;
  return added;
}

// What must still be emitted before a node can be: its operands' regions or nodes.
class Rebuild {
 public:
  Rebuild(const Graph& from, std::span<const Replacement> replacements)
      : from_(from), replacements_(replacements), owner_(from.nodes.size(), -1) {
    for (std::size_t r = 0; r < replacements.size(); ++r) {
      for (const NodeId node : replacements[r].region.nodes) {
        int& owner = owner_[static_cast<std::size_t>(node)];
        check(owner < 0, "two regions share node {}", node);
        owner = static_cast<int>(r);
      }
    }
    done_.resize(replacements.size(), false);
  }

  Graph run() {
    to_.name = from_.name;
    to_.level = from_.level;
    to_.sizes = from_.sizes;
    for (const Input& input : from_.inputs) {
      values_[{input.node, 0}] = copy_input(to_, from_, input);
    }
    for (const Output& output : from_.outputs) {
      to_.add_output(output.name, need(output.value));
    }
    for (const Update& update : from_.updates) {
      const Value state = values_.at({update.state, 0});
      to_.add_update(state, need(update.next));
    }
    return std::move(to_);
  }

 private:
  Value need(Value value) {
    const auto found = values_.find(value);
    if (found != values_.end()) return found->second;
    const int owner = owner_[static_cast<std::size_t>(value.node)];
    if (owner >= 0) {
      place(static_cast<std::size_t>(owner));
    } else {
      for (const Value& input : from_.node(value).inputs) need(input);
      copy_node(to_, from_, value.node, values_);
    }
    return values_.at(value);
  }

  void place(std::size_t r) {
    check(!done_[r], "a region is not convex");
    done_[r] = true;
    const Replacement& replacement = replacements_[r];
    const Border edge = border(from_, replacement.region);
    const Graph& inner = replacement.graph;
    check(inner.inputs.size() == edge.inputs.size() && inner.outputs.size() == edge.outputs.size(),
          "a replacement has another signature than its region");
    std::map<Value, Value> values;
    for (std::size_t i = 0; i < edge.inputs.size(); ++i) {
      values[{inner.inputs[i].node, 0}] = need(edge.inputs[i]);
    }
    for (std::size_t n = 0; n < inner.nodes.size(); ++n) {
      if (inner.nodes[n].op->name != "input") {
        copy_node(to_, inner, static_cast<NodeId>(n), values);
      }
    }
    for (std::size_t i = 0; i < edge.outputs.size(); ++i) {
      values_[edge.outputs[i]] = values.at(inner.outputs[i].value);
    }
  }

  const Graph& from_;
  std::span<const Replacement> replacements_;
  std::vector<int> owner_;
  std::vector<bool> done_;
  std::map<Value, Value> values_;
  Graph to_;
};

}  // namespace

std::vector<NodeId> operator_nodes(const Graph& graph) {
  std::vector<NodeId> nodes;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const auto id = static_cast<NodeId>(n);
    if (graph.nodes[n].op->name != "input" && !is_literal(graph, id)) nodes.push_back(id);
  }
  return nodes;
}

std::vector<int> count_uses(const Graph& graph) {
  std::vector<int> uses(graph.nodes.size(), 0);
  for (const Node& node : graph.nodes) {
    for (const Value& input : node.inputs) ++uses[static_cast<std::size_t>(input.node)];
  }
  for (const Output& output : graph.outputs) ++uses[static_cast<std::size_t>(output.value.node)];
  for (const Update& update : graph.updates) ++uses[static_cast<std::size_t>(update.next.node)];
  return uses;
}

bool is_convex(const Graph& graph, const Region& region) {
  // outside[n]: n is not in the region but depends on it.
  std::vector<bool> outside(graph.nodes.size(), false);
  for (NodeId n = region.nodes.front(); n <= region.nodes.back(); ++n) {
    const bool inside = contains(region, n);
    for (const Value& input : graph.nodes[static_cast<std::size_t>(n)].inputs) {
      const bool tainted = outside[static_cast<std::size_t>(input.node)];
      if (inside && tainted) return false;
      if (!inside && (tainted || contains(region, input.node))) {
        outside[static_cast<std::size_t>(n)] = true;
      }
    }
  }
  return true;
}

Border border(const Graph& graph, const Region& region) {
  Border edge;
  for (const NodeId n : region.nodes) {
    for (const Value& input : graph.nodes[static_cast<std::size_t>(n)].inputs) {
      if (contains(region, input.node) || is_literal(graph, input.node)) continue;
      push_unique(edge.inputs, input);
    }
  }
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (contains(region, static_cast<NodeId>(n))) continue;
    for (const Value& input : graph.nodes[n].inputs) {
      if (contains(region, input.node)) push_unique(edge.outputs, input);
    }
  }
  for (const Output& output : graph.outputs) {
    if (contains(region, output.value.node)) push_unique(edge.outputs, output.value);
  }
  for (const Update& update : graph.updates) {
    if (contains(region, update.next.node)) push_unique(edge.outputs, update.next);
  }
  std::sort(edge.outputs.begin(), edge.outputs.end());
  return edge;
}

Graph cut(const Graph& graph, const Region& region) {
  const Border edge = border(graph, region);
  Graph out;
  out.name = graph.nodes[static_cast<std::size_t>(region.nodes.back())].name;
  std::map<Value, Value> values;
  std::vector<std::string> names;
  for (const Value& value : edge.inputs) {
    const Input* input = graph.input(value.node);
    if (input != nullptr && input->role == Role::kWeight) {
      values[value] = copy_input(out, graph, *input);
    } else {
      values[value] = out.add_input(graph.node(value).name, graph.type(value));
    }
    for (const Dim& dim : graph.type(value).shape) dim.collect_names(names);
  }
  for (const SizeRange& range : graph.sizes) {
    if (std::find(names.begin(), names.end(), range.name) != names.end()) {
      out.sizes.push_back(range);
    }
  }
  for (const NodeId n : region.nodes) {
    for (const Value& input : graph.nodes[static_cast<std::size_t>(n)].inputs) {
      if (!values.contains(input)) copy_node(out, graph, input.node, values);
    }
    copy_node(out, graph, n, values);
  }
  for (std::size_t i = 0; i < edge.outputs.size(); ++i) {
    out.add_output("y" + std::to_string(i), values.at(edge.outputs[i]));
  }
  return out;
}

Graph replace(const Graph& graph, std::span<const Replacement> replacements) {
  return Rebuild(graph, replacements).run();
}

}  // namespace lamina::search
