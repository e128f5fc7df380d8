// Places for faults, and graphs rebuilt around them.
#include "graph/mutation.h"

#include <algorithm>

#include "base/check.h"
#include "graph/named_node.h"
#include "graph/op_def.h"

namespace lamina {
namespace {

// A node, by the nodes and the numbers of their inner graphs that lead to it.
struct Place {
  std::vector<std::pair<NodeId, std::size_t>> path;
  NodeId node = -1;
};

void collect_places(const Graph& graph, Place& at, std::vector<Place>& places) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    at.node = static_cast<NodeId>(n);
    places.push_back(at);
    const Node& node = graph.nodes[n];
    for (std::size_t k = 0; k < node.graphs.size(); ++k) {
      at.path.emplace_back(static_cast<NodeId>(n), k);
      collect_places(node.graphs[k], at, places);
      at.path.pop_back();
    }
  }
}

std::vector<Place> shuffled_places(const Graph& graph, Rng& rng) {
  std::vector<Place> places;
  Place at;
  collect_places(graph, at, places);
  for (std::size_t i = places.size(); i > 1; --i) {
    const auto other = static_cast<std::size_t>(rng.integer(0, static_cast<std::int64_t>(i) - 1));
    std::swap(places[i - 1], places[other]);
  }
  return places;
}

std::string name_of(const Graph& graph, const Place& place) {
  std::string name;
  const Graph* at = &graph;
  for (const auto& [node, index] : place.path) {
    name += at->nodes[static_cast<std::size_t>(node)].name + "/";
    at = &at->nodes[static_cast<std::size_t>(node)].graphs[index];
  }
  return name + at->nodes[static_cast<std::size_t>(place.node)].name;
}

// The fault at `place`, of whose path the first `depth` entries led to `graph`.
std::optional<Graph> apply_at(const Graph& graph, const Place& place, std::size_t depth,
                              const Mutation& mutation, Rng& rng) {
  if (depth == place.path.size()) return mutation.apply(graph, place.node, rng);
  const auto [owner, index] = place.path[depth];
  const Graph& inner = graph.nodes[static_cast<std::size_t>(owner)].graphs[index];
  std::optional<Graph> changed = apply_at(inner, place, depth + 1, mutation, rng);
  if (!changed) return std::nullopt;
  return rewrite(graph, owner, [&](Graph& out, Node node) {
    node.graphs[index] = std::move(*changed);
    return add_named(out, std::move(node));
  });
}

bool same_outputs(const Graph& a, const Graph& b) {
  const auto same = [&](const Output& x, const Output& y) {
    return x.name == y.name && a.type(x.value) == b.type(y.value);
  };
  return std::equal(a.outputs.begin(), a.outputs.end(), b.outputs.begin(), b.outputs.end(), same);
}

}  // namespace

Graph rewrite(const Graph& graph, NodeId target, const Replace& replace) {
  Graph out;
  out.name = graph.name;
  out.level = graph.level;
  out.sizes = graph.sizes;
  std::vector<std::vector<Value>> now(graph.nodes.size());  // where the old outputs are
  const auto moved = [&](Value v) {
    return now[static_cast<std::size_t>(v.node)][static_cast<std::size_t>(v.output)];
  };
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Node node = graph.nodes[n];
    Value first{static_cast<NodeId>(out.nodes.size()), 0};
    if (node.op->name == "input") {
      out.nodes.push_back(std::move(node));
    } else {
      for (Value& input : node.inputs) input = moved(input);
      const bool replaced = static_cast<NodeId>(n) == target;
      first = replaced ? replace(out, std::move(node)) : add_named(out, std::move(node));
    }
    for (std::size_t k = 0; k < graph.nodes[n].types.size(); ++k) {
      now[n].push_back({first.node, k == 0 ? first.output : static_cast<std::int32_t>(k)});
    }
  }
  out.inputs = graph.inputs;
  for (Input& input : out.inputs) input.node = moved({input.node, 0}).node;
  for (const Output& output : graph.outputs) {
    out.outputs.push_back({output.name, moved(output.value)});
  }
  for (const Update& update : graph.updates) {
    out.updates.push_back({moved({update.state, 0}).node, moved(update.next)});
  }
  return out;
}

std::optional<Mutant> mutate(const Graph& graph, const Mutation& mutation, Rng& rng) {
  const std::string text = print_graph(graph);
  for (const Place& place : shuffled_places(graph, rng)) {
    try {
      std::optional<Graph> changed = apply_at(graph, place, 0, mutation, rng);
      if (!changed) continue;
      validate(*changed);
      if (!same_outputs(graph, *changed) || print_graph(*changed) == text) continue;
      return Mutant{std::move(*changed), name_of(graph, place)};
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInvalidArgument) throw;
    }
  }
  return std::nullopt;
}

}  // namespace lamina
