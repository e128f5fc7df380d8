// Mutants are well-formed, other programs with the same signature; and every fault has a place.
#include "graph/mutation.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "graph/random_graph.h"

using namespace lamina;

namespace {

constexpr const char* kPrograms[] = {R"(lamina 1
graph product(x: f32[4, 6], y: f32[6, 4], z: f32[4, 4]) {
  u = block(x, y, z, grid=[2, 2], loop=[3]) {
    state acc: f32[2, 2] = 0.0
    xt = load(x, grid=[0, -1], loop=1, tile=[2, 2])
    yt = load(y, grid=[-1, 1], loop=0, tile=[2, 2])
    acc <- acc + xt @ yt
    zt = load(z, grid=[0, 1], tile=[2, 2])
    return store(after(acc) / (1.0 + exp(zt)), grid=[0, 1], shape=[4, 4])
  }
  return u
})",
                                     R"(lamina 1
graph norm(x: f32[4, 4], w: f32[4], ids: i64[3]) {
  m = mean(x * x, axes=[1], keepdims=true)
  n = rms_norm(x, w) + x / sqrt(m + 1e-5)
  y = embedding(trilu(n, k=0), ids) - 0.25
  return y
})"};

std::string signature(const Graph& graph) {
  std::string text;
  for (const Input& input : graph.inputs) text += to_string(graph.type({input.node, 0})) + " ";
  for (const Output& output : graph.outputs) {
    text += output.name + ": " + to_string(graph.type(output.value)) + " ";
  }
  return text;
}

}  // namespace

TEST_CASE("every fault makes other well-formed programs of the same signature") {
  Rng rng(3);
  std::vector<Graph> graphs;
  for (const char* text : kPrograms) graphs.push_back(parse_graph(text));
  for (int i = 0; i < 6; ++i) graphs.push_back(random_graph(rng, {.max_rows = 5, .max_width = 7}));
  for (const Mutation& mutation : all_mutations()) {
    CAPTURE(mutation.name);
    std::set<std::string> mutants;
    for (const Graph& graph : graphs) {
      for (int i = 0; i < 8; ++i) {
        const std::optional<Mutant> mutant = mutate(graph, mutation, rng);
        if (!mutant) continue;
        CHECK_NOTHROW(validate(mutant->graph));
        CHECK(signature(mutant->graph) == signature(graph));
        const std::string text = print_graph(mutant->graph);
        CHECK(text != print_graph(graph));
        CHECK(print_graph(parse_graph(text)) == text);
        mutants.insert(text);
      }
    }
    CHECK(mutants.size() > 1);
  }
}

TEST_CASE("names are unique, and a place leads into inner graphs") {
  std::set<std::string_view> names;
  for (const Mutation& mutation : all_mutations()) CHECK(names.insert(mutation.name).second);
  Rng rng(4);
  for (const Mutation& mutation : all_mutations()) {
    if (mutation.name != "wrong map") continue;
    const auto mutant = mutate(parse_graph(kPrograms[0]), mutation, rng);
    REQUIRE(mutant.has_value());
    CHECK(mutant->place.starts_with("u/"));
  }
}

TEST_CASE("a rewritten graph is the same but for what was replaced") {
  const Graph graph = parse_graph(kPrograms[1]);
  const Value sum = graph.find("n");
  const Graph same = rewrite(graph, sum.node, [](Graph& out, const Node& node) {
    return out.add(op_name(node), node.inputs, node.attrs, node.name);
  });
  CHECK(print_graph(same) == print_graph(graph));
  const Graph shorter =
      rewrite(graph, sum.node, [](Graph&, const Node& node) { return node.inputs[0]; });
  CHECK(shorter.nodes.size() + 1 == graph.nodes.size());
  CHECK_NOTHROW(validate(shorter));
}
