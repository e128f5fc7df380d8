// The search finds the known fused programs.
#include "search/block_space.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string_view>

#include "graph/op_def.h"
#include "graph/simplify.h"
#include "lamina/verify.h"
#include "search/block_program.h"
#include "search/machine_test.h"

using namespace lamina;
using namespace lamina::search;

namespace {

Graph program(const char* text) { return simplify(parse_graph(text)); }

// All ways in which a program of the space computes the small instance are right: each program that
// is chosen is compared with the original by the identity tester.
void check_found(const Graph& graph, const BlockShape& shape, const Tiling& tiling, int operators) {
  REQUIRE(BlockSpace::accepts(graph));
  BlockSpace space(graph, shape, {.operators = operators});
  CHECK(space.run());
  CHECK(space.statistics().complete);
  REQUIRE(space.complete());
  const auto programs = cheapest(space, tiling, block_machine(test_machine(), 1), {}, 4);
  REQUIRE_FALSE(programs.empty());
  for (const PricedProgram& priced : programs) {
    const auto block = to_graph(graph, priced.program, tiling);
    REQUIRE(block);
    validate(*block);
    const Verdict verdict = verify(graph, *block, {.shrink_witness = false});
    CHECK_MESSAGE(verdict.outcome == Outcome::kEquivalent, verdict.reason, "\n",
                  print_graph(*block));
  }
}

bool has_node(const Graph& graph, std::string_view op) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [&](const Node& node) { return node.op->name == op; });
}

const char* const kNormLinear = R"(lamina 1
graph g(x: f32[3, 8], w: f32[8, 6]) {
  m = sum(x * x, axes=[-1], keepdims=true) * 0.125
  y = matmul(x / sqrt(m + 0.00001), w)
  return y
}
)";

const char* const kAttention = R"(lamina 1
graph g(q: f32[2, 4, 3], k: f32[2, 3, 7], v: f32[2, 7, 5]) {
  s = matmul(q, k) * 0.125
  y = matmul(softmax(s, axis=-1), v)
  return y
}
)";

const char* const kLargeAttention = R"(lamina 1
graph g(q: f32[16, 256, 64], k: f32[16, 64, 4096], v: f32[16, 4096, 64]) {
  s = matmul(q, k) * 0.125
  y = matmul(softmax(s, axis=-1), v)
  return y
}
)";

}  // namespace

TEST_CASE("a norm and the product after it share one loop") {
  const Graph graph = program(kNormLinear);
  check_found(graph, {{1}, Dim(8)}, {{0, 4}, 3}, 9);
  // The product is accumulated before the norm is known.
  BlockSpace space(graph, {{1}, Dim(8)}, {.operators = 9});
  space.run();
  const auto best = cheapest(space, {{0, 4}, 4}, block_machine(test_machine(), 1), {}, 1);
  REQUIRE(best.size() == 1);
  const Graph block = *to_graph(graph, best[0].program, {{0, 4}, 4});
  const Graph& inner = block.nodes.back().graphs.at(0);
  CHECK(inner.updates.size() >= 1);
  CHECK(has_node(inner, "after"));
}

TEST_CASE("the online softmax is found, and no exponential without its shift") {
  const Graph graph = program(kAttention);
  check_found(graph, {{0, 1}, Dim(7)}, {{1, 2, 0}, 3}, 12);
  BlockSpace space(graph, {{0, 1}, Dim(7)}, {.operators = 12});
  space.run();
  for (const BlockSpace::Value& value : space.values()) {
    for (const BlockStep& way : value.ways) {
      if (way.kind != BlockStep::Kind::kApply || way.op->name != "exp") continue;
      CHECK(space.values()[way.operands[0]].ways[0].op->name == "sub");
    }
  }
  const Graph large = program(kLargeAttention);
  BlockSpace at_size(large, {{0, 1}, Dim(4096)}, {.operators = 12});
  at_size.run();
  const auto best = cheapest(at_size, {{1, 64, 0}, 256}, block_machine(test_machine(), 1), {}, 1);
  REQUIRE(best.size() == 1);
  CHECK(std::any_of(best[0].program.steps.begin(), best[0].program.steps.end(),
                    [](const BlockStep& s) { return s.kind == BlockStep::Kind::kRescaledSum; }));
}

TEST_CASE("a gated product without a loop, two outputs") {
  const Graph graph = program(R"(lamina 1
graph g(x: f32[4, 6], u: f32[6, 10], v: f32[6, 10]) {
  a = matmul(x, u)
  b = matmul(x, v)
  y = silu(a) * b
  return y, a
}
)");
  check_found(graph, {{1}, std::nullopt}, {{0, 4}, 0}, 6);
  check_found(graph, {{0, 1}, Dim(6)}, {{2, 4}, 4}, 8);
}

TEST_CASE("an output along the axis of the loop is stored part by part") {
  // Weights that are not normalised yet, and their sums: both come out of one loop over the keys.
  const Graph graph = program(R"(lamina 1
graph g(q: f32[4, 3], k: f32[3, 7]) {
  w = exp(matmul(q, k))
  s = sum(w, axes=[-1], keepdims=true)
  return w, s
}
)");
  check_found(graph, {{0}, Dim(7)}, {{2, 0}, 3}, 6);
  BlockSpace space(graph, {{0}, Dim(7)}, {.operators = 6});
  space.run();
  const auto best = cheapest(space, {{2, 0}, 3}, block_machine(test_machine(), 1), {}, 1);
  REQUIRE(best.size() == 1);
  const Graph block = *to_graph(graph, best[0].program, {{2, 0}, 3});
  const Graph& inner = block.nodes.back().graphs.at(0);
  CHECK(inner.node(inner.outputs.at(0).value).attrs.integer("loop") == 1);
  CHECK(inner.node(inner.outputs.at(1).value).attrs.integer("loop") == -1);
  // Parts of the loop in two kernels would both have outputs.
  BlockProgram parts = best[0].program;
  parts.split = 2;
  CHECK_FALSE(to_graph(graph, parts, {{2, 0}, 3}).has_value());
}

TEST_CASE("a grid dimension of one element") {
  const Graph graph = program(R"(lamina 1
graph g(x: f32[1, 5, 8], c: f32[1, 5, 8], w: f32[8, 6]) {
  y = matmul(x * c, w)
  return y
}
)");
  check_found(graph, {{0, 1}, Dim(8)}, {{1, 2, 0}, 3}, 4);
}

TEST_CASE("merging and terms keep the best program") {
  const Graph graph = program(R"(lamina 1
graph g(x: f32[4, 6], u: f32[6, 10]) {
  y = exp(matmul(x, u))
  return y
}
)");
  for (const std::optional<Dim>& loop : {std::optional<Dim>(), std::optional<Dim>(6)}) {
    const Tiling tiling{{0, 4}, loop ? 3 : 0};
    std::vector<double> best;
    for (const auto& [prune, merge] :
         {std::pair(true, true), std::pair(true, false), std::pair(false, true)}) {
      BlockSpace space(graph, {{1}, loop},
                       {.operators = loop ? 3 : 2, .prune_terms = prune, .merge_equal = merge});
      space.run();
      REQUIRE(space.statistics().complete);
      const auto programs = cheapest(space, tiling, block_machine(test_machine(), 1), {}, 1);
      REQUIRE(programs.size() == 1);
      best.push_back(programs[0].seconds);
    }
    CHECK(best[0] == doctest::Approx(best[1]));
    CHECK(best[0] == doctest::Approx(best[2]));
  }
}

TEST_CASE("programs that are no block programs are refused") {
  CHECK_FALSE(BlockSpace::accepts(program(R"(lamina 1
graph g(x: f32[4, 6]) {
  return y=reshape(x, shape=[24])
}
)")));
  CHECK_FALSE(BlockSpace::accepts(program(R"(lamina 1
graph g(x: f32[4, 1]) {
  return y=sum(x, axes=[-1], keepdims=true)
}
)")));
}

TEST_CASE("a search stops when told to") {
  const Graph graph = program(kAttention);
  BlockSpace space(graph, {{0, 1}, Dim(7)}, {.operators = 12});
  int asked = 0;
  CHECK_FALSE(space.run([&] { return ++asked > 3; }));
  CHECK_FALSE(space.statistics().complete);
}

TEST_CASE("a loop is split over the grid, and a second kernel combines the parts") {
  const auto check_split = [](const char* text, const BlockShape& shape, const Tiling& tiling,
                              std::int64_t parts = 2) {
    const Graph graph = program(text);
    BlockSpace space(graph, shape, {.operators = 12});
    space.run();
    const auto programs = cheapest(space, tiling, block_machine(test_machine(), 1), {}, 4);
    REQUIRE_FALSE(programs.empty());
    int split = 0;
    for (PricedProgram priced : programs) {
      priced.program.split = parts;
      const auto block = to_graph(graph, priced.program, tiling);
      if (!block) continue;
      ++split;
      validate(*block);
      CHECK(std::count_if(block->nodes.begin(), block->nodes.end(),
                          [](const Node& node) { return node.op->name == "block"; }) == 2);
      const Verdict verdict = verify(graph, *block, {.shrink_witness = false});
      CHECK_MESSAGE(verdict.outcome == Outcome::kEquivalent, verdict.reason, "\n",
                    print_graph(*block));
    }
    return split;
  };
  CHECK(check_split(kAttention, {{0, 1}, Dim(7)}, {{1, 2, 0}, 2}) > 0);
  const char* const kProduct = R"(lamina 1
graph g(x: f32[3, 9], w: f32[9, 6]) {
  y = relu(matmul(x, w))
  return y
}
)";
  // Ragged: five iterations in two parts of three, the last of which is short.
  CHECK(check_split(kProduct, {{0, 1}, Dim(9)}, {{2, 4}, 2}) > 0);
  // More parts than iterations.
  CHECK(check_split(kProduct, {{0, 1}, Dim(9)}, {{2, 4}, 2}, 64) > 0);
  // A norm that the loop accumulates is the same for all columns: two tasks would write it.
  CHECK(check_split(kNormLinear, {{1}, Dim(8)}, {{0, 4}, 2}) < 4);
}
