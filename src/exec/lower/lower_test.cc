// Views without steps, reuse of memory, states in place.
#include "exec/lower/lower.h"

#include <doctest/doctest.h>

#include "graph/simplify.h"

using namespace lamina;
using namespace lamina::lower;

namespace {

std::int64_t arena_bytes(const Graph& graph, const Sizes& sizes = {}) {
  return plan_storages(lower::lower(simplify(graph)), sizes).bytes;
}

}  // namespace

TEST_CASE("the arena reuses what is free and keeps apart what lives together") {
  const std::vector<Lifetime> lifetimes = {
      {100, 0, 1}, {64, 1, 2}, {200, 2, 3}, {60, 3, 4}, {0, 0, 4}};
  const ArenaPlan plan = plan_arena(lifetimes);
  CHECK(plan.bytes == 256 + 64);
  for (std::size_t i = 0; i < lifetimes.size(); ++i) {
    CHECK(plan.offsets[i] % 64 == 0);
    for (std::size_t k = 0; k < i; ++k) {
      const Lifetime& a = lifetimes[i];
      const Lifetime& b = lifetimes[k];
      const bool together = a.first <= b.last && b.first <= a.last;
      const bool apart = plan.offsets[i] + a.bytes <= plan.offsets[k] ||
                         plan.offsets[k] + b.bytes <= plan.offsets[i];
      CHECK((!together || apart));
    }
  }
}

TEST_CASE("moves that keep the order are views") {
  Graph graph;
  const Dim t = Dim::size("T");
  graph.sizes = {{"T", 1, 99}};
  const Value x = graph.add_input("x", {DType::kF32, {t, 6}, {}});
  const Value flat = graph.add("reshape", {x}, {{"shape", Dims{t * Dim(6)}}});
  const Value cut =
      graph.add("slice", {flat}, {{"start", Dims{6}}, {"size", Dims{t * Dim(6) - Dim(6)}}});
  const Value turned =
      graph.add("transpose", {graph.add("reshape", {x}, {{"shape", Dims{t, 1, 6}}})},
                {{"axes", Dims{1, 0, 2}}});
  const Value copied = graph.add("transpose", {x});
  for (const Value v : {cut, turned, copied}) graph.add_output("y" + std::to_string(v.node), v);
  const Lowered lowered = lower::lower(simplify(graph));
  CHECK(lowered.steps.size() == 1);
  CHECK(lowered.output_copies.size() == 2);
  CHECK(lowered.output_copies[0].from.offset == Dim(6));
}

TEST_CASE("a chain of element-wise nodes needs one buffer, none over a donated input") {
  for (const Role role : {Role::kInput, Role::kDonated}) {
    Graph graph;
    const Value x = graph.add_input("x", {DType::kF32, {1000}, {}}, role);
    Value y = x;
    for (int i = 0; i < 5; ++i) y = graph.add("exp", {y});
    graph.add_output("y", graph.add("sum", {y}));
    CHECK(arena_bytes(graph) == (role == Role::kDonated ? 0 : 4032));
  }
  Graph graph;  // the operand is needed later, or broadcast: no reuse
  const Value x = graph.add_input("x", {DType::kF32, {16}, {}});
  const Value y = graph.add("exp", {x});
  const Value z = graph.add("exp", {y});
  const Value grid = graph.add("add", {graph.add("reshape", {z}, {{"shape", Dims{16, 1}}}), y});
  graph.add_output("y", graph.add("sum", {graph.add("mul", {grid, y})}));
  CHECK(arena_bytes(graph) == 16 * 4 + 16 * 4 + 16 * 16 * 4);
}

TEST_CASE("states are updated in place unless their old value is still read") {
  const auto copies = [](bool read_later) {
    Graph graph;
    const Value cache = graph.add_state("cache", {DType::kF32, {8, 4}, {}});
    const Value rows = graph.add_input("rows", {DType::kF32, {2, 4}, {}});
    const Value at = graph.add_input("at", {DType::kI64, {2}, {}});
    const Value next = graph.add("scatter", {cache, at, rows}, {{"axis", 0}});
    graph.add_update(cache, next);
    graph.add_output("y", graph.add("sum", {next}));
    if (read_later) graph.add_output("old", graph.add("sum", {cache}));
    return lower::lower(simplify(graph)).state_copies.size();
  };
  CHECK(copies(false) == 0);
  CHECK(copies(true) == 1);
}
