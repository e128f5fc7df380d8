// Operators and who reads whom.
#include "search/operator_graph.h"

#include <algorithm>

#include "search/conv_regions.h"

namespace lamina::search {
namespace {

Precedence precedence_of(const Graph& graph, const std::vector<NodeId>& nodes) {
  std::vector<std::size_t> position(graph.nodes.size(), nodes.size());
  std::vector<std::vector<std::size_t>> producers(nodes.size());
  for (std::size_t p = 0; p < nodes.size(); ++p) {
    position[static_cast<std::size_t>(nodes[p])] = p;
    for (const Value& input : graph.nodes[static_cast<std::size_t>(nodes[p])].inputs) {
      const std::size_t from = position[static_cast<std::size_t>(input.node)];
      std::vector<std::size_t>& list = producers[p];
      if (from < nodes.size() && std::find(list.begin(), list.end(), from) == list.end()) {
        list.push_back(from);
      }
    }
  }
  return Precedence(std::move(producers));
}

}  // namespace

OperatorGraph::OperatorGraph(const Graph& from)
    : graph(from),
      nodes(operator_nodes(from)),
      order(precedence_of(from, nodes)),
      convolutions(convolution_regions(from)) {
  std::vector<bool> held = loaded_nodes(from);
  for (const Region& region : convolutions) {
    for (const NodeId n : region.nodes) held[static_cast<std::size_t>(n)] = true;
  }
  for (const NodeId n : nodes) free.push_back(!held[static_cast<std::size_t>(n)]);
}

std::vector<bool> loaded_nodes(const Graph& prepared) {
  std::vector<bool> loaded(prepared.nodes.size(), false);
  for (std::size_t n = 0; n < loaded.size(); ++n) {
    const Input* input = prepared.input(static_cast<NodeId>(n));
    loaded[n] = input == nullptr || input->role == Role::kWeight;
    for (const Value& v : prepared.nodes[n].inputs) {
      loaded[n] = loaded[n] && loaded[static_cast<std::size_t>(v.node)];
    }
  }
  return loaded;
}

}  // namespace lamina::search
