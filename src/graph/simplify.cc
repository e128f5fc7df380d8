// One pass that rebuilds the graph with expansion and merging, one that drops what is not needed.
#include "graph/simplify.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"

namespace lamina {
namespace {

class Rebuilder {
 public:
  Rebuilder(Graph& out, const std::function<bool(const OpDef&)>& expands)
      : out_(out), expands_(expands) {}

  // Adds the nodes of `graph`, whose input k is `inputs[k]`; returns where its values went.
  std::vector<std::vector<Value>> add_nodes(const Graph& graph, const std::vector<Value>& inputs) {
    std::vector<std::vector<Value>> places(graph.nodes.size());
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
      places[static_cast<std::size_t>(graph.inputs[i].node)] = {inputs[i]};
    }
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      if (places[n].empty()) places[n] = add_node(graph.nodes[n], places);
    }
    return places;
  }

  Value add_input(const Node& node) {
    out_.nodes.push_back(node);
    return {static_cast<NodeId>(out_.nodes.size() - 1), 0};
  }

 private:
  std::vector<Value> add_node(const Node& node, const std::vector<std::vector<Value>>& places) {
    Node copy = node;
    for (Value& v : copy.inputs) {
      v = places[static_cast<std::size_t>(v.node)][static_cast<std::size_t>(v.output)];
    }
    if (node.op->expand == nullptr || !expands_(*node.op))
      return outputs_of(merge(std::move(copy)), node.types.size());
    std::vector<Type> types;
    const Graph inner = node.op->expand(view(out_, copy, types));
    const auto inner_places = add_nodes(inner, copy.inputs);
    std::vector<Value> result;
    for (const Output& output : inner.outputs) {
      result.push_back(inner_places[static_cast<std::size_t>(output.value.node)]
                                   [static_cast<std::size_t>(output.value.output)]);
    }
    return result;
  }

  static std::vector<Value> outputs_of(NodeId node, std::size_t count) {
    std::vector<Value> values;
    for (std::size_t i = 0; i < count; ++i) values.push_back({node, static_cast<std::int32_t>(i)});
    return values;
  }

  // The node itself, or an equal one that is there already.
  NodeId merge(Node node) {
    std::vector<NodeId>& alike = seen_[{node.op, node.inputs}];
    for (const NodeId id : alike) {
      const Node& other = out_.nodes[static_cast<std::size_t>(id)];
      if (node.graphs.empty() && other.attrs == node.attrs && other.types == node.types) return id;
    }
    out_.nodes.push_back(std::move(node));
    alike.push_back(static_cast<NodeId>(out_.nodes.size() - 1));
    return alike.back();
  }

  Graph& out_;
  const std::function<bool(const OpDef&)>& expands_;
  std::map<std::pair<const OpDef*, std::vector<Value>>, std::vector<NodeId>> seen_;
};

// Nodes that came from expansions may have the names of others.
void make_names_unique(Graph& graph) {
  std::set<std::string> taken;
  for (Node& node : graph.nodes) {
    std::string name = node.name;
    for (int i = 1; !taken.insert(name).second; ++i) name = node.name + "_" + std::to_string(i);
    node.name = std::move(name);
  }
}

}  // namespace

bool is_composite(const OpDef& op) {
  return op.expand != nullptr && op.scalar.real == nullptr && op.scalar.whole == nullptr &&
         op.loop_form == nullptr && op.order_form == nullptr && op.move_form == nullptr;
}

void drop_dead_nodes(Graph& graph) {
  std::vector<bool> live(graph.nodes.size(), false);
  const auto mark = [&](Value v) { live[static_cast<std::size_t>(v.node)] = true; };
  for (const Input& input : graph.inputs) live[static_cast<std::size_t>(input.node)] = true;
  for (const Output& output : graph.outputs) mark(output.value);
  for (const Update& update : graph.updates) mark(update.next);
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    if (!live[n]) continue;
    for (const Value& v : graph.nodes[n].inputs) mark(v);
  }
  std::vector<NodeId> place(graph.nodes.size(), -1);
  std::vector<Node> kept;
  const auto move = [&](Value& v) { v.node = place[static_cast<std::size_t>(v.node)]; };
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!live[n]) continue;
    place[n] = static_cast<NodeId>(kept.size());
    kept.push_back(std::move(graph.nodes[n]));
    for (Value& v : kept.back().inputs) move(v);
  }
  graph.nodes = std::move(kept);
  for (Input& input : graph.inputs) input.node = place[static_cast<std::size_t>(input.node)];
  for (Output& output : graph.outputs) move(output.value);
  for (Update& update : graph.updates) {
    update.state = place[static_cast<std::size_t>(update.state)];
    move(update.next);
  }
}

Graph simplify(const Graph& graph, const std::function<bool(const OpDef&)>& expands) {
  Graph out;
  out.name = graph.name;
  out.level = graph.level;
  out.sizes = graph.sizes;
  Rebuilder rebuilder(out, expands);
  std::vector<Value> inputs;
  for (const Input& input : graph.inputs) {
    inputs.push_back(rebuilder.add_input(graph.nodes[static_cast<std::size_t>(input.node)]));
    out.inputs.push_back(input);
    out.inputs.back().node = inputs.back().node;
  }
  const auto places = rebuilder.add_nodes(graph, inputs);
  const auto place = [&](Value v) {
    return places[static_cast<std::size_t>(v.node)][static_cast<std::size_t>(v.output)];
  };
  for (const Output& output : graph.outputs) out.add_output(output.name, place(output.value));
  for (const Update& update : graph.updates) {
    out.updates.push_back({place({update.state, 0}).node, place(update.next)});
  }
  drop_dead_nodes(out);
  make_names_unique(out);
  return out;
}

}  // namespace lamina
