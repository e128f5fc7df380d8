// The cut into regions costs as little as the best of all cuts, is never worse than growth without
// a cost model, and is found for large models without looking at equal layers again.
#include "search/partition.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "graph/random_graph.h"
#include "lamina/bench.h"
#include "lamina/nn.h"
#include "search/judge.h"
#include "search/machine_test.h"

using namespace lamina;
using namespace lamina::search;

namespace {

Rates test_rates() { return rates_of(test_machine(), 2); }

CostModel model_of(const Graph& prepared) {
  return {prepared, test_rates(), choose_bindings(prepared, 128)};
}

// All cuts of a small graph into connected convex regions, by definition.
class AllCuts {
 public:
  explicit AllCuts(const Graph& prepared)
      : graph_(prepared), operators_(prepared), costs_(model_of(prepared)) {
    const std::size_t count = operators_.nodes.size();
    for (std::size_t mask = 1; mask < (std::size_t{1} << count); ++mask) price(mask);
  }

  double best() {
    search(0, {}, 0.0);
    return best_;
  }

 private:
  std::vector<std::size_t> members(std::size_t mask) const {
    std::vector<std::size_t> found;
    for (std::size_t p = 0; p < operators_.nodes.size(); ++p) {
      if ((mask >> p & 1U) != 0) found.push_back(p);
    }
    return found;
  }

  bool is_connected(std::size_t mask) const {
    std::size_t reached = mask & (~mask + 1);
    for (std::size_t before = 0; before != reached;) {
      before = reached;
      for (const std::size_t p : members(mask)) {
        for (const std::size_t q : operators_.order.producers(p)) {
          const std::size_t edge = std::size_t{1} << p | std::size_t{1} << q;
          if ((edge & mask) == edge && (edge & reached) != 0) reached |= edge;
        }
      }
    }
    return reached == mask;
  }

  void price(std::size_t mask) {
    const std::vector<std::size_t> nodes = members(mask);
    if (nodes.size() == 1) {
      prices_[mask] = costs_.alone()[static_cast<std::size_t>(operators_.nodes[nodes[0]])];
      return;
    }
    Region region;
    for (const std::size_t p : nodes) region.nodes.push_back(operators_.nodes[p]);
    if (!is_connected(mask) || !is_convex(graph_, region)) return;
    if (!std::all_of(nodes.begin(), nodes.end(), [&](auto p) { return operators_.free[p]; }))
      return;
    if (const auto fused = costs_.fused(cut(graph_, region))) prices_[mask] = fused->seconds;
  }

  // Whether region `from` must run before region `to`, directly.
  bool feeds(std::size_t from, std::size_t to) const {
    for (const std::size_t p : members(to)) {
      for (const std::size_t q : operators_.order.producers(p)) {
        if ((from >> q & 1U) != 0 && from != to) return true;
      }
    }
    return false;
  }

  bool can_run(std::vector<std::size_t> regions) const {
    while (!regions.empty()) {
      const auto next = std::find_if(regions.begin(), regions.end(), [&](std::size_t r) {
        return std::none_of(regions.begin(), regions.end(),
                            [&](std::size_t other) { return feeds(other, r); });
      });
      if (next == regions.end()) return false;
      regions.erase(next);
    }
    return true;
  }

  void search(std::size_t covered, const std::vector<std::size_t>& regions, double seconds) {
    if (seconds >= best_) return;
    const std::size_t all = (std::size_t{1} << operators_.nodes.size()) - 1;
    if (covered == all) {
      if (can_run(regions)) best_ = seconds;
      return;
    }
    const std::size_t first = ~covered & (covered + 1);
    for (const auto& [mask, price] : prices_) {
      if ((mask & first) == 0 || (mask & covered) != 0) continue;
      std::vector<std::size_t> longer = regions;
      longer.push_back(mask);
      search(covered | mask, longer, seconds + price);
    }
  }

  const Graph& graph_;
  OperatorGraph operators_;
  CostModel costs_;
  std::map<std::size_t, double> prices_;
  double best_ = 1e9;
};

// Regions that grow from each node in turn for as long as they can be tiled, whatever it costs:
// what a partitioner without a cost model does.
double cost_of_greedy_growth(const Graph& prepared) {
  const OperatorGraph operators(prepared);
  const CostModel costs = model_of(prepared);
  std::set<NodeId> taken;
  double total = 0.0;
  for (const double seconds : costs.alone()) total += seconds;
  for (std::size_t seed = 0; seed < operators.nodes.size(); ++seed) {
    std::vector<std::size_t> region = {seed};
    if (taken.contains(operators.nodes[seed])) continue;
    double fused = -1.0;
    for (std::size_t next = 0; next < operators.nodes.size(); ++next) {
      std::vector<std::size_t> larger = region;
      larger.push_back(next);
      larger = operators.order.convex_hull(larger);
      const bool touches = std::any_of(region.begin(), region.end(), [&](std::size_t p) {
        const auto& to = operators.order.consumers(p);
        return std::find(to.begin(), to.end(), next) != to.end();
      });
      if (!touches || larger.size() != region.size() + 1) continue;
      if (taken.contains(operators.nodes[next])) continue;
      Region nodes;
      for (const std::size_t p : larger) nodes.nodes.push_back(operators.nodes[p]);
      const auto price = costs.fused(cut(prepared, nodes));
      if (!price) continue;
      fused = price->seconds;
      region = std::move(larger);
    }
    if (region.size() < 2) continue;
    total += fused;
    for (const std::size_t p : region) {
      total -= costs.alone()[static_cast<std::size_t>(operators.nodes[p])];
      taken.insert(operators.nodes[p]);
    }
  }
  return total;
}

void check_not_worse_than_greedy(const Graph& program) {
  const Graph prepared = prepare(program);
  const Partition found = partition(prepared, test_rates(), {.tolerance = 0.0});
  CAPTURE(program.name);
  CHECK(found.fused_s <= found.alone_s * (1.0 + 1e-9));
  CHECK(found.fused_s <= cost_of_greedy_growth(prepared) * (1.0 + 1e-9));
}

// A transformer of equal layers, about thirty operators each.
Graph layers_of(int layers) {
  Graph graph;
  Value x = graph.add_input("x", {DType::kF32, {128, 64}, {}});
  const auto weight = [&](std::int64_t rows, std::int64_t columns) {
    return graph.add_input("w", {DType::kF32, {rows, columns}, {}}, Role::kWeight);
  };
  const auto linear = [&](Value v, std::int64_t rows, std::int64_t columns) {
    return graph.add("matmul", {v, weight(rows, columns)});
  };
  const auto norm = [&](Value v) { return graph.add("rms_norm", {v}, {{"axes", Dims{-1}}}); };
  for (int l = 0; l < layers; ++l) {
    const Value n = norm(x);
    const Value keys = graph.add("transpose", {linear(n, 64, 64)}, {{"axes", Dims{1, 0}}});
    const Value scores = graph.add("matmul", {linear(n, 64, 64), keys});
    const Value heads = graph.add("matmul", {graph.add("softmax", {scores}), linear(n, 64, 64)});
    x = graph.add("add", {x, linear(heads, 64, 64)});
    const Value m = norm(x);
    const Value gate = graph.add("silu", {linear(m, 64, 256)});
    const Value up = graph.add("mul", {gate, linear(m, 64, 256)});
    x = graph.add("add", {x, linear(up, 256, 64)});
  }
  graph.add_output("y", x);
  return prepare(graph);
}

}  // namespace

TEST_CASE("no cut into connected regions costs less") {
  constexpr std::size_t kMostOperators = 9;
  int compared = 0;
  int fused = 0;
  for (std::uint64_t i = 0; i < 200 && compared < 30; ++i) {
    Rng rng = Rng(11).split(i);
    RandomGraphOptions options;
    options.steps = 1 + static_cast<int>(i % 3);
    const Graph prepared = prepare(random_graph(rng, options));
    const std::size_t count = operator_nodes(prepared).size();
    if (count < 3 || count > kMostOperators) continue;
    CAPTURE(i);
    CAPTURE(print_graph(prepared));
    const Partition found = partition(prepared, test_rates(), {.tolerance = 0.0});
    REQUIRE(found.exact);
    CHECK(found.fused_s == doctest::Approx(AllCuts(prepared).best()).epsilon(1e-9));
    ++compared;
    fused += static_cast<int>(found.regions.size());
  }
  CHECK(compared == 30);
  CHECK(fused > 10);
}

TEST_CASE("regions cost no more than growth without a cost model") {
  std::size_t programs = 0;
  for (const auto& file : std::filesystem::directory_iterator("examples/programs")) {
    if (file.path().extension() != ".lam") continue;
    check_not_worse_than_greedy(load_network(file.path().string()));
    ++programs;
  }
  CHECK(programs >= 12);
  for (std::uint64_t i = 0; i < 12; ++i) {
    Rng rng = Rng(20).split(i);
    RandomGraphOptions options;
    options.steps = 2 + static_cast<int>(i % 3);
    check_not_worse_than_greedy(random_graph(rng, options));
  }
}

TEST_CASE("a model named by LAMINA_TEST_MODEL costs no more than growth without a cost model") {
  const char* path = std::getenv("LAMINA_TEST_MODEL");
  if (path == nullptr) {
    MESSAGE("skipped: LAMINA_TEST_MODEL names no model");
    return;
  }
  check_not_worse_than_greedy(load_network(path));
}

TEST_CASE("equal layers are looked at once, and a cut is the same every time") {
  const Graph eight = layers_of(8);
  const Graph sixteen = layers_of(16);
  const Partition few = partition(eight, test_rates());
  const Partition many = partition(sixteen, test_rates());
  CHECK(many.exact);
  CHECK(many.regions.size() > few.regions.size());
  // The first and the last layers differ from those between.
  CHECK(many.programs < few.programs + few.programs / 4);
  const Partition again = partition(sixteen, test_rates());
  CHECK(again.fused_s == many.fused_s);
  REQUIRE(again.regions.size() == many.regions.size());
  for (std::size_t r = 0; r < many.regions.size(); ++r) {
    CHECK(again.regions[r].nodes == many.regions[r].nodes);
  }
}

TEST_CASE("the limit on programs leaves no layer without regions") {
  const Graph prepared = layers_of(12);
  PartitionOptions options;
  options.limits.programs = 400;
  const Partition found = partition(prepared, test_rates(), options);
  std::set<NodeId> covered;
  for (const Region& region : found.regions) {
    covered.insert(region.nodes.begin(), region.nodes.end());
    CHECK(is_convex(prepared, region));
  }
  const std::vector<NodeId> nodes = operator_nodes(prepared);
  CHECK(covered.size() > nodes.size() / 2);
  CHECK(std::any_of(nodes.end() - 15, nodes.end(), [&](NodeId n) { return covered.contains(n); }));
}

TEST_CASE("a region can be taken apart again") {
  const Graph program = prepare(parse_graph(R"(lamina 1
graph chain(x: f32[128, 64], weight w: f32[64, 512], weight v: f32[512, 64]) {
  y = matmul(silu(matmul(rms_norm(x, axes=[-1]), w)), v)
  return y
})"));
  const Limits limits{.threads = 2, .machine = test_rates().core};
  const std::vector<Recipe> recipes = partition_candidates(program, test_rates(), limits).recipes;
  REQUIRE(recipes.size() == 2);
  bool searched = false;
  for (const Recipe& recipe : recipes) {
    REQUIRE_FALSE(recipe.parts.empty());
    for (const Recipe::Part& part : recipe.parts) {
      CHECK(part.region.nodes.size() < operator_nodes(program).size());
      searched = searched || part.program.has_value();
    }
    CHECK(apply(program, recipe).has_value());
  }
  CHECK(searched);
}

TEST_CASE("a mixture of experts is one region at every width of its elements") {
  for (const char* name : {"moe", "moe_bf16"}) {
    const Graph program = prepare(load_network(fmt::format("examples/programs/{}.lam", name)));
    const std::vector<Region> regions = partition(program, test_rates()).regions;
    REQUIRE(regions.size() == 1);
    const Graph region = cut(program, regions[0]);
    const auto recipes =
        all_candidates(region, test_rates(), {.threads = 2, .machine = test_rates().core}).recipes;
    CHECK_FALSE(recipes.empty());
  }
}

TEST_CASE("what depends on weights alone joins no region") {
  const Graph program = prepare(parse_graph(R"(lamina 1
graph folded(x: f32[64, 64], weight w: f32[64, 64]) {
  y = relu(matmul(x, mul(w, 2.0)))
  return y
})"));
  const std::vector<bool> loaded = loaded_nodes(program);
  const std::vector<Region> regions = partition(program, test_rates()).regions;
  REQUIRE(regions.size() == 1);
  CHECK(regions[0].nodes.size() == 2);
  for (const NodeId n : regions[0].nodes) CHECK_FALSE(loaded[static_cast<std::size_t>(n)]);
}
