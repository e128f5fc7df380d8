// Follows the dependences of a block graph: on the loop, and on what the loop leaves.
#include "draw/block_bands.h"

#include "graph/op_def.h"

namespace lamina::draw {
namespace {

// Marks what reads marked nodes.
void spread_down(const Graph& graph, std::vector<bool>& marked) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const Value& value : graph.nodes[i].inputs) {
      if (marked[static_cast<std::size_t>(value.node)]) marked[i] = true;
    }
  }
}

// Marks what marked nodes read.
void spread_up(const Graph& graph, std::vector<bool>& marked) {
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    if (!marked[i]) continue;
    for (const Value& value : graph.nodes[i].inputs) {
      marked[static_cast<std::size_t>(value.node)] = true;
    }
  }
}

bool changes_in_loop(const Graph& graph, std::size_t i) {
  const Node& node = graph.nodes[i];
  if (node.op->name == "load") return node.attrs.integer("loop") >= 0;
  const Input* input = graph.input(static_cast<NodeId>(i));
  return input != nullptr && input->role == Role::kState;
}

}  // namespace

std::vector<Band> block_bands(const Graph& graph) {
  const std::size_t count = graph.nodes.size();
  std::vector<bool> varying(count);
  std::vector<bool> ended(count);
  std::vector<bool> looped(count);
  for (std::size_t i = 0; i < count; ++i) {
    ended[i] = graph.nodes[i].op->name == "after";
    varying[i] = !ended[i] && changes_in_loop(graph, i);
  }
  for (const Update& update : graph.updates) {
    looped[static_cast<std::size_t>(update.next.node)] = true;
  }
  spread_down(graph, varying);
  spread_down(graph, ended);
  spread_up(graph, looped);
  std::vector<Band> bands(count, Band::kBody);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view op = graph.nodes[i].op->name;
    if (op == "load") {
      bands[i] = Band::kEntry;
    } else if (op == "store") {
      bands[i] = Band::kExit;
    } else if (graph.updates.empty()) {
      bands[i] = Band::kBody;
    } else if (ended[i] || !looped[i]) {
      bands[i] = Band::kAfter;
    } else if (!varying[i]) {
      bands[i] = Band::kBefore;
    }
  }
  return bands;
}

}  // namespace lamina::draw
