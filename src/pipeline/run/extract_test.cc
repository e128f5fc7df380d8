// Minimal cuts, and what is kept between the parts of a graph.
#include "pipeline/run/extract.h"

#include <doctest/doctest.h>

#include "base/rng.h"
#include "pipeline/run/min_cut.h"

using namespace lamina;
using namespace lamina::pipeline;

TEST_CASE("minimal cuts of random networks equal the best of all cuts") {
  Rng rng(8);
  for (int trial = 0; trial < 200; ++trial) {
    CAPTURE(trial);
    const auto vertices = static_cast<int>(rng.integer(2, 8));
    struct Arc {
      int from, to;
      std::int64_t capacity;
    };
    std::vector<Arc> arcs;
    MinCut cut;
    for (int a = 0; a < 3 * vertices; ++a) {
      const Arc arc{static_cast<int>(rng.integer(0, vertices - 1)),
                    static_cast<int>(rng.integer(0, vertices - 1)), rng.integer(0, 9)};
      if (arc.from == arc.to) continue;
      cut.add_arc(arc.from, arc.to, arc.capacity);
      arcs.push_back(arc);
    }
    // Vertex 0 is on the one side, vertex 1 on the other.
    std::int64_t best = INT64_MAX;
    for (int side = 0; side < 1 << vertices; ++side) {
      if ((side & 3) != 1) continue;
      std::int64_t bytes = 0;
      for (const Arc& arc : arcs) {
        if ((side >> arc.from & 1) != 0 && (side >> arc.to & 1) == 0) bytes += arc.capacity;
      }
      best = std::min(best, bytes);
    }
    std::int64_t found = 0;
    for (const int arc : cut.minimal_arcs(0, 1)) {
      found += arcs.at(static_cast<std::size_t>(arc / 2)).capacity;
    }
    CHECK(found == best);
  }
}

TEST_CASE("what is cheap is computed again rather than kept") {
  // y = w2 tanh(w1 x): the backward part needs tanh's value alone, from which its derivative
  // follows; of a mask, the mask; of wide copies of a small value, the small one.
  Graph g;
  const Value x = g.add_input("x", {DType::kF32, {8, 4}, {}});
  const Value w = g.add_input("w", {DType::kF32, {4, 4}, {}}, Role::kWeight);
  const Value product = g.add("matmul", {x, w});
  const Value small = g.add("sum", {product}, {{"axes", Dims{1}}, {"keepdims", true}});
  const Value wide = g.add("broadcast", {small}, {{"shape", Dims{8, 4}}});
  const Value root = g.add("exp", {wide});
  const Value mask = g.add("less", {product, g.constant(0.0)});
  const Value seed = g.add_input("seed", {DType::kF32, {8, 4}, {}});
  const Value gradient = g.add("mul", {g.add("select", {mask, seed, root}), g.add("tanh", {root})});
  const std::vector<bool> first = independent_of(g, {seed});
  const std::set<Value> kept = least_kept({g, first, {x, w, seed}, {gradient}});
  CHECK(kept == std::set<Value>{small, mask});
  const Extract part = extract(g, {x, w, seed, small, mask}, {gradient});
  CHECK(part.inputs == std::vector<Value>{small, mask, seed});
  validate(part.graph);
}

TEST_CASE("what is computed again is computed when it is needed") {
  Graph g;
  const auto given = [&](const char* name) { return g.add_input(name, {DType::kF32, {4, 4}, {}}); };
  const Value a = given("a"), b = given("b"), seed = given("seed"), w = given("w");
  const Value first = g.add("exp", {a}, {}, "first");
  const Value second = g.add("exp", {b}, {}, "second");
  const Value late = g.add("matmul", {g.add("mul", {seed, second}), w}, {}, "product");
  const Value y = g.add("mul", {late, first});
  const Graph part = extract(g, {a, b, seed, w}, {y}).graph;
  validate(part);
  CHECK(part.find("second").node < part.find("product").node);
  CHECK(part.find("product").node < part.find("first").node);
}
