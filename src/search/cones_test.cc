// Parts that a search takes as inputs, and what it finds around them.
#include "search/cones.h"

#include <doctest/doctest.h>

#include "graph/simplify.h"
#include "lamina/verify.h"
#include "search/block_search.h"
#include "search/machine_test.h"
#include "search/region.h"
#include "search/tiling.h"

using namespace lamina;
using namespace lamina::search;

namespace {

std::size_t count_operators(const Graph& graph) { return operator_nodes(graph).size(); }

// Every program that a search finds is proved equal.
Candidates check_search(const char* text, std::size_t candidates) {
  const Graph whole = prepare(parse_graph(text));
  const Graph program = cut(whole, {operator_nodes(whole)});
  const Candidates found = search_blocks(
      program,
      {.threads = 2, .candidates = candidates, .machine = block_machine(test_machine(), 2)});
  CHECK(found.recipes.size() == candidates);
  const std::optional<Graph> small = shrink_sizes(program, 4);
  REQUIRE(small);
  for (const Recipe& recipe : found.recipes) {
    REQUIRE(apply(program, recipe));
    const auto graph = apply(*small, shrink(recipe, program, *small));
    REQUIRE(graph);
    validate(*graph);
    const Verdict verdict = verify(*small, *graph, {.bits = 20.0, .shrink_witness = false});
    CHECK_MESSAGE(verdict.outcome == Outcome::kEquivalent, verdict.reason, "\n",
                  print_graph(*graph));
  }
  return found;
}

bool rescales(const Recipe& recipe) {
  const auto& steps = recipe.parts.at(0).program->steps;
  return std::any_of(steps.begin(), steps.end(), [](const BlockStep& step) {
    return step.kind == BlockStep::Kind::kRescaledSum;
  });
}

}  // namespace

TEST_CASE("a gather becomes an input of what is searched, and is computed on tiles") {
  const Candidates found = check_search(R"(lamina 1
graph embedded(ids: i64[640], weight words: f32[1000, 64], weight places: f32[640, 64]) {
  y = rms_norm(gather(words, ids, axis=0) + places, axes=[-1])
  return y
})",
                                        2);
  const auto& steps = found.recipes.at(0).parts.at(0).program->steps;
  CHECK(std::any_of(steps.begin(), steps.end(), [](const BlockStep& step) {
    return step.kind == BlockStep::Kind::kApply && step.op->name == "gather";
  }));
}

TEST_CASE("positions and comparisons of a mask become one input") {
  const Graph program = simplify(parse_graph(R"(lamina 1
graph g(s: f32[4, 6], rows: i64[4, 1], columns: i64[6]) {
  hidden = less(rows, columns)
  y = select(hidden, 0.0, s) * 2.0
  return y
}
)"));
  CHECK_FALSE(BlockSpace::accepts(program));
  const auto collapsed = collapse(program, 12);
  REQUIRE(collapsed);
  CHECK(BlockSpace::accepts(collapsed->program));
  CHECK(count_operators(collapsed->program) == 2);
  CHECK(collapsed->program.inputs.size() == 2);
}

TEST_CASE("a mask that depends on a product is refused") {
  const Graph program = simplify(parse_graph(R"(lamina 1
graph g(x: f32[4, 6], w: f32[6, 6], rows: i64[4, 1], columns: i64[6]) {
  a = matmul(x, w)
  y = select(less(cast(a, dtype=i64), rows), a, x)
  return y
}
)"));
  CHECK_FALSE(collapse(program, 12));
}

TEST_CASE("the smallest cone that is enough is taken, and no product is computed twice") {
  const Graph program = simplify(parse_graph(R"(lamina 1
graph g(h: f32[8, 64], x: f32[8, 64], w: f32[64, 64]) {
  a = rms_norm(h)
  b = matmul(a + x, w)
  y = rms_norm(b)
  return y
}
)"));
  const std::size_t all = count_operators(program);
  const auto same = collapse(program, all);
  REQUIRE(same);
  CHECK(count_operators(same->program) == all);
  const auto smaller = collapse(program, all - 1);
  REQUIRE(smaller);
  CHECK(count_operators(smaller->program) < all);
  // Nothing but what leads to the product can go.
  const auto least = collapse(program, 1);
  REQUIRE(least);
  CHECK(count_operators(least->program) > 5);
}

TEST_CASE("causal attention is searched around its mask") {
  const Candidates found = check_search(R"(lamina 1
graph g(q: f32[1, 2, 256, 16], k: f32[1, 2, 16, 8192], v: f32[1, 2, 8192, 16], rows: i64[256, 1],
        columns: i64[8192]) {
  s = select(less(rows, columns), -1e30, matmul(q, k) * 0.25)
  y = matmul(softmax(s, axis=-1), v)
  return y
}
)",
                                        2);
  CHECK(std::any_of(found.recipes.begin(), found.recipes.end(), rescales));
  CHECK(found.statistics.complete);
}

TEST_CASE("a subprogram too large to be searched is searched around its norms") {
  const Candidates found = check_search(R"(lamina 1
graph g(h: f32[8, 128], x: f32[8, 128], a: f32[8, 128]) {
  n = h / (sum(h * h, axes=[-1], keepdims=true) + 1.0)
  m = a * (n + x)
  o = m / (sum(m * m, axes=[-1], keepdims=true) + 1.0)
  p = o + x
  y = p / (sum(p * p, axes=[-1], keepdims=true) + 1.0)
  return y
}
)",
                                        1);
  CHECK(found.recipes[0].parts[0].region.nodes.size() > 12);
}
