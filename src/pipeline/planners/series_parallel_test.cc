// Decompositions of small networks, and of the profiles that LAMINA_PIPELINE_GRAPHS names.
#include "pipeline/planners/series_parallel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/rng.h"
#include "pipeline/random_plan_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

constexpr int kTangled = 10;

Computation network(int operators, const std::vector<std::pair<int, int>>& edges) {
  Computation result;
  result.name = "net";
  result.operators.resize(static_cast<std::size_t>(operators));
  for (const auto& [from, to] : edges) result.edges.push_back({from, to, 1.0});
  return result;
}

// "0 (1 | 2 3) <4 5 6 7> 8"
std::string text(const SpTree& tree) {
  std::string result;
  if (tree.kind == SpTree::Kind::kOperators) {
    for (const int op : tree.operators) result += (result.empty() ? "" : "+") + std::to_string(op);
    return result;
  }
  const bool parallel = tree.kind == SpTree::Kind::kParallel;
  for (const SpTree& child : tree.children) {
    result += (result.empty() ? "" : parallel ? " | " : " ") + text(child);
  }
  if (tree.kind == SpTree::Kind::kTangle) return "<" + result + ">";
  return parallel ? "(" + result + ")" : result;
}

std::string exact(const Computation& net) {
  const Decomposition found = decompose(net, kTangled);
  CHECK(found.exact);
  return text(found.tree);
}

std::set<std::pair<int, int>> paths(const Computation& net) {
  std::set<std::pair<int, int>> pairs;
  for (auto edge = net.edges.rbegin(); edge != net.edges.rend(); ++edge) {
    pairs.emplace(edge->from, edge->to);
  }
  const auto count = static_cast<int>(net.operators.size());
  for (int middle = 0; middle < count; ++middle) {
    for (int a = 0; a < middle; ++a) {
      for (int b = middle + 1; b < count; ++b) {
        if (pairs.contains({a, middle}) && pairs.contains({middle, b})) pairs.emplace(a, b);
      }
    }
  }
  return pairs;
}

// Pairs of operators of which the tree puts the first before the second.
void ordered_pairs(const SpTree& tree, const Computation& net,
                   std::set<std::pair<int, int>>& pairs) {
  if (tree.kind == SpTree::Kind::kTangle) {
    const std::vector<int> all = operators_below(tree);
    for (const auto& [from, to] : paths(net)) {
      if (std::binary_search(all.begin(), all.end(), from) &&
          std::binary_search(all.begin(), all.end(), to)) {
        pairs.emplace(from, to);
      }
    }
  }
  for (std::size_t c = 0; c < tree.children.size(); ++c) {
    ordered_pairs(tree.children[c], net, pairs);
    if (tree.kind != SpTree::Kind::kSeries) continue;
    for (std::size_t later = c + 1; later < tree.children.size(); ++later) {
      for (const int a : operators_below(tree.children[c])) {
        for (const int b : operators_below(tree.children[later])) pairs.emplace(a, b);
      }
    }
  }
}

}  // namespace

TEST_CASE("series-parallel networks") {
  CHECK(exact(network(1, {})) == "0");
  CHECK(exact(network(3, {{0, 1}, {1, 2}})) == "0 1 2");
  CHECK(exact(network(3, {})) == "(0 | 1 | 2)");
  // The edge 0-4 says nothing that the others do not.
  CHECK(exact(network(5, {{0, 1}, {0, 2}, {0, 4}, {1, 4}, {2, 3}, {3, 4}})) == "0 (1 | 2 3) 4");
  // Every path of one side to every path of the other.
  CHECK(exact(network(4, {{0, 2}, {0, 3}, {1, 2}, {1, 3}})) == "(0 | 1) (2 | 3)");
  // A fork within a branch.
  CHECK(exact(network(6, {{0, 1}, {1, 2}, {1, 3}, {2, 5}, {3, 5}, {0, 4}, {4, 5}})) ==
        "0 (1 (2 | 3) | 4) 5");
}

TEST_CASE("what is not series-parallel gets more order") {
  const Computation n = network(5, {{0, 2}, {0, 3}, {1, 3}, {2, 4}, {3, 4}});
  const Decomposition strata = decompose(n, 3);
  CHECK(!strata.exact);
  CHECK(text(strata.tree) == "(0 | 1) (2 | 3) 4");
  // Only the part that is tangled; its pieces stay whole.
  const Computation wide = network(9, {{0, 1},
                                       {1, 2},
                                       {1, 3},
                                       {0, 4},
                                       {2, 5},
                                       {3, 5},
                                       {2, 6},
                                       {3, 6},
                                       {4, 6},
                                       {5, 7},
                                       {6, 7},
                                       {7, 8}});
  CHECK(text(decompose(wide, 5).tree) == "0 (1 (2 | 3) | 4) (5 | 6) 7 8");
  CHECK(text(decompose(wide, 6).tree) == "0 <1 2 3 4 5 6> 7 8");
}

TEST_CASE("small parts that are not series-parallel are tangles") {
  const std::vector<std::pair<int, int>> n = {{0, 2}, {0, 3}, {1, 3}};
  CHECK(exact(network(4, n)) == "<0 1 2 3>");
  // Two of them in series, after a fork of one operator and one of them.
  CHECK(exact(network(14, {{0, 2},  {0, 3},  {1, 3},             //
                           {2, 5},  {2, 6},  {3, 5},   {3, 6},   //
                           {4, 5},  {4, 6},                      //
                           {5, 7},  {5, 8},  {6, 8},             //
                           {7, 9},  {7, 10}, {8, 9},   {8, 10},  //
                           {9, 11}, {9, 12}, {10, 12}, {11, 13}, {12, 13}})) ==
        "(<0 1 2 3> | 4) <5 6 7 8> <9 10 11 12> 13");
}

TEST_CASE("trees keep the order of the network, and no more where they are exact") {
  Rng rng(7);
  for (int round = 0; round < 200; ++round) {
    const auto count = static_cast<int>(rng.integer(1, 14));
    const bool series_parallel = rng.chance(0.5);
    const Computation net = series_parallel ? test::series_parallel_network(count, rng)
                                            : test::random_network(count, {}, rng);
    for (const int most : {0, 4, 8}) {
      const Decomposition found = decompose(net, most);
      CHECK((found.exact || !series_parallel));
      std::vector<int> all(static_cast<std::size_t>(count));
      for (int i = 0; i < count; ++i) all[static_cast<std::size_t>(i)] = i;
      CHECK(operators_below(found.tree) == all);
      std::set<std::pair<int, int>> pairs;
      ordered_pairs(found.tree, net, pairs);
      const auto needed = paths(net);
      if (found.exact) CHECK(pairs == needed);
      for (const auto& pair : needed) CHECK(pairs.contains(pair));
    }
  }
}

TEST_CASE("profiles of PipeDream that are series-parallel, and those that are not") {
  const char* folder = std::getenv("LAMINA_PIPELINE_GRAPHS");
  if (folder == nullptr) {
    MESSAGE("skipped: LAMINA_PIPELINE_GRAPHS does not name a folder with pipedream/*.txt");
    return;
  }
  for (const auto& [name, exact] : {std::pair("alexnet", true),
                                    {"vgg16", true},
                                    {"resnet50", true},
                                    {"inception_v3", true},
                                    {"nasnetamobile", false},
                                    {"gnmt", false}}) {
    CAPTURE(name);
    const Computation net = load_computation(std::string(folder) + "/pipedream/" + name + ".txt");
    CHECK(decompose(net, kTangled).exact == exact);
  }
}
