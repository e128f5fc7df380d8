// Tiled programs compute what the programs they came from compute, on every tiling, ragged or not.
#include "search/tiling.h"

#include <doctest/doctest.h>

#include <cmath>

#include "lamina/bench.h"
#include "lamina/device.h"
#include "lamina/error.h"
#include "search/candidates.h"
#include "search/machine_test.h"
#include "search/partition.h"
#include "search/recipe_text.h"

using namespace lamina;
using namespace lamina::search;

namespace {

constexpr const char* kNormLinear = R"(lamina 1
graph norm_linear(x: f32[5, 12], weight w: f32[12, 7]) {
  y = matmul(rms_norm(x, axes=[-1]), w)
  return y
})";

constexpr const char* kGated = R"(lamina 1
graph gated(x: f32[3, 10], weight gate: f32[10, 9], weight up: f32[10, 9]) {
  y = mul(silu(matmul(x, gate)), matmul(x, up))
  return y
})";

constexpr const char* kAdapter = R"(lamina 1
graph adapter(x: f32[6, 32], weight w: f32[32, 64], weight a: f32[32, 2], weight b: f32[2, 64]) {
  y = add(matmul(x, w), matmul(matmul(x, a), b))
  return y
})";

constexpr const char* kAttention = R"(lamina 1
graph attention(q: f32[2, 5, 4], k: f32[2, 4, 11], v: f32[2, 11, 4]) {
  s = mul(matmul(q, k), 0.5)
  y = matmul(softmax(s, axis=-1), v)
  return y
})";

constexpr const char* kNorms = R"(lamina 1
graph norms(h: f32[7, 6], x: f32[7, 6], alpha: f32[7, 6]) {
  y = rms_norm(add(x, mul(alpha, add(rms_norm(h, axes=[-1]), x))), axes=[-1])
  return y
})";

// The embedding layer of a transformer: words, positions, a norm.
constexpr const char* kEmbedding = R"(lamina 1
graph embedded(weight words: f32[20, 12], ids: i64[2, 9], weight places: f32[9, 12],
               weight g: f32[12], weight b: f32[12]) {
  y = layer_norm(embedding(words, ids) + places, g, b, axes=[-1])
  return y
})";

// Attention heads that share keys: each reads those that an index names.
constexpr const char* kSharedHeads = R"(lamina 1
graph shared(q: f32[4, 3, 8], k: f32[2, 8, 5], heads: i64[4]) {
  y = matmul(q, gather(k, heads, axis=0))
  return y
})";

std::vector<double> run(const Graph& graph, const std::vector<Tensor>& inputs) {
  return compile(graph, find_device("ref"))->run(inputs)[0].to_doubles();
}

void check_same(const Graph& original, const Graph& other) {
  const std::vector<Tensor> inputs = random_inputs(original, {}, 7);
  const std::vector<double> want = run(original, inputs);
  const std::vector<double> got = run(other, inputs);
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(std::fabs(got[i] - want[i]) < 1e-6);
}

void check_tiling(const char* text, Tiling tiling) {
  const Graph program = prepare(fill_weights(parse_graph(text), 3));
  const std::optional<Graph> tiled = tile_program(program, tiling);
  REQUIRE(tiled.has_value());
  validate(*tiled);
  CHECK(op_name(tiled->node(tiled->outputs[0].value)) == "block");
  check_same(program, *tiled);
}

}  // namespace

TEST_CASE("products with their preparation and what follows") {
  for (const std::int64_t rows : {0, 2, 5}) {
    for (const std::int64_t columns : {0, 3, 7}) {
      check_tiling(kNormLinear, {{rows, columns}, 0});
      check_tiling(kGated, {{rows, columns}, 0});
      check_tiling(kAdapter, {{rows, columns}, 0});
    }
  }
}

TEST_CASE("attention with an online softmax") {
  for (const std::int64_t rows : {0, 2}) {
    for (const std::int64_t loop : {1, 4, 11, 16}) check_tiling(kAttention, {{1, rows, 0}, loop});
  }
}

TEST_CASE("rows of element-wise operators and reductions") {
  for (const std::int64_t rows : {0, 1, 3}) check_tiling(kNorms, {{rows, 0}, 0});
}

TEST_CASE("gathers see a table whole along the axis that is indexed, and cut along others") {
  for (const std::int64_t rows : {1, 2}) {
    for (const std::int64_t words : {0, 2, 9}) check_tiling(kEmbedding, {{rows, words, 0}, 0});
  }
  for (const std::int64_t heads : {1, 3}) {
    for (const std::int64_t keys : {0, 2}) check_tiling(kSharedHeads, {{heads, 0, keys}, 0});
  }
  // Single elements of a row, and slices of what is computed first, stay outside.
  const Graph elements = prepare(parse_graph(R"(lamina 1
graph g(x: f32[4, 9], i: i64[5]) {
  y = relu(gather(x, i, axis=1))
  return y
})"));
  CHECK_FALSE(tile_program(elements, {{2, 0}, 0}).has_value());
  const Graph computed = prepare(parse_graph(R"(lamina 1
graph g(x: f32[9, 4], i: i64[5]) {
  y = gather(exp(x), i, axis=0)
  return y
})"));
  CHECK_FALSE(tile_program(computed, {{2, 0}, 0}).has_value());
}

TEST_CASE("an axis that is reduced cannot be cut") {
  const Graph program = prepare(parse_graph(kNorms));
  CHECK_FALSE(tile_program(program, {{0, 2}, 0}).has_value());
}

TEST_CASE("an input that is an output as well has no tiles") {
  Graph program = prepare(parse_graph(kNorms));
  program.add_output("x", program.find("x"));
  CHECK_FALSE(tile_program(program, {{2, 0}, 0}).has_value());
}

TEST_CASE("a program without attention has no loop form") {
  const Graph program = prepare(parse_graph(kGated));
  CHECK_FALSE(tile_program(program, {{0, 0}, 4}).has_value());
}

TEST_CASE("partition takes whole examples as one region and every recipe is equal") {
  for (const char* text : {kNormLinear, kGated, kAdapter, kAttention, kNorms, kEmbedding}) {
    const Graph program = prepare(fill_weights(parse_graph(text), 5));
    const std::vector<Region> regions = partition(program, rates_of(test_machine(), 2)).regions;
    REQUIRE(regions.size() == 1);
    CHECK(regions[0].nodes == operator_nodes(program));
    const std::vector<Recipe> recipes =
        generate(program, {.threads = 2, .machine = block_machine(test_machine(), 2)}).recipes;
    CHECK_FALSE(recipes.empty());
    for (const Recipe& recipe : recipes) {
      const std::optional<Graph> fused = apply(program, recipe);
      REQUIRE(fused.has_value());
      check_same(program, *fused);
    }
  }
}

TEST_CASE("the machine's rates decide which programs come first") {
  const Graph program = prepare(fill_weights(parse_graph(R"(lamina 1
graph norm_linear(x: f32[64, 512], weight w: f32[512, 1024]) {
  y = matmul(rms_norm(x, axes=[-1]), w)
  return y
})"),
                                             5));
  CpuMachine machine = test_machine();
  const auto best = [&] {
    const Limits limits = {.threads = 4, .candidates = 1, .machine = block_machine(machine, 4)};
    return encode(generate(program, limits).recipes.at(0));
  };
  const auto measured = best();
  REQUIRE(measured.has_value());
  CHECK(best() == measured);  // the same description, the same choice
  machine.bytes_per_second = machine.all_cores_bytes_per_second = 1e5;
  const auto slow_memory = best();  // blocks that read little: square
  machine = test_machine();
  machine.elements_per_second = 1e5;
  CHECK(best() != slow_memory);  // every row's sum of squares once: wide blocks
  CHECK_THROWS_AS(generate(program, {.threads = 4}), Error);
}
