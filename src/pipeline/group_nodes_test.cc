// Which nodes are shared out to which operators: what depends on what stays as it was.
#include <doctest/doctest.h>

#include <algorithm>

#include "base/rng.h"
#include "pipeline/from_graph.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

// A random graph of products, activations and sums of values [3, 4], in which everything is used.
Graph random_dag(Rng& rng) {
  Graph graph;
  const auto pick = [&](std::size_t below) { return rng.bits() % below; };
  std::vector<Value> values = {graph.add_input("x", {DType::kF32, {3, 4}, {}})};
  const Value mask = graph.add("relu", {graph.add_input("m", {DType::kF32, {3, 4}, {}})});
  for (int i = 0; i < 25; ++i) {
    const Value a = values[values.size() - 1 - pick(std::min<std::size_t>(values.size(), 6))];
    const Value b = values[pick(values.size())];
    switch (pick(5)) {
      case 0:
      case 1:
        values.push_back(
            graph.add("matmul", {a, graph.add_input("w" + std::to_string(i),
                                                    {DType::kF32, {4, 4}, {}}, Role::kWeight)}));
        break;
      case 2:
        values.push_back(graph.add("add", {a, b}));
        break;
      case 3:
        values.push_back(graph.add("tanh", {a}));
        break;
      default:
        values.push_back(graph.add("mul", {a, mask}));
        break;
    }
  }
  graph.add_output("y", values.back());
  graph.add_output("z", values[values.size() / 2]);
  return graph;
}

// from -> to: whether a path leads there.
std::vector<std::vector<bool>> paths(std::size_t count, const std::vector<Edge>& edges) {
  std::vector<std::vector<bool>> reaches(count, std::vector<bool>(count, false));
  for (std::size_t n = count; n-- > 0;) {
    for (const Edge& edge : edges) {
      if (edge.from != static_cast<int>(n)) continue;
      const auto to = static_cast<std::size_t>(edge.to);
      reaches[n][to] = true;
      for (std::size_t m = 0; m < count; ++m) {
        if (reaches[to][m]) reaches[n][m] = true;
      }
    }
  }
  return reaches;
}

}  // namespace

TEST_CASE("random graphs: products depend on each other exactly as before") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    const Grouping grouping = group_nodes(random_dag(rng), {});
    const Graph& graph = grouping.graph;
    validate(graph);
    std::vector<Edge> node_edges, edges;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      for (const Value& v : graph.nodes[n].inputs) {
        node_edges.push_back({v.node, static_cast<int>(n)});
        const int from = grouping.operators[static_cast<std::size_t>(v.node)];
        const int to = grouping.operators[n];
        REQUIRE(from <= to);
        if (from >= 0 && from < to) edges.push_back({from, to});
      }
    }
    const auto of_nodes = paths(graph.nodes.size(), node_edges);
    const auto of_operators = paths(grouping.seeds.size(), edges);
    for (std::size_t a = 0; a < grouping.seeds.size(); ++a) {
      for (std::size_t b = a + 1; b < grouping.seeds.size(); ++b) {
        const auto from = static_cast<std::size_t>(grouping.seeds[a]);
        const auto to = static_cast<std::size_t>(grouping.seeds[b]);
        CHECK(of_operators[a][b] == of_nodes[from][to]);
      }
    }
  }
}
