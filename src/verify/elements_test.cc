// Single elements at full shape: what small instances do not show.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <set>

#include "lamina/error.h"
#include "lamina/verify.h"

namespace lamina {
namespace {

struct Tiling {
  std::int64_t rows = 8;
  std::int64_t depth = 1024;
  std::int64_t columns = 1024;
  std::int64_t depth_tile = 64;
  std::int64_t column_tile = 64;
  std::int64_t loop = 16;
  std::int64_t grid = 16;
  std::int64_t store_axis = 1;  // that the grid cuts in the output
};

Graph gated(const Tiling& t) {
  return parse_graph(
      fmt::format("lamina 1\n"
                  "graph g(x: f32[{0}, {1}], v: f32[{1}, {2}], w: f32[{1}, {2}]) {{\n"
                  "  y = silu(matmul(x, v)) * matmul(x, w)\n"
                  "  return y\n"
                  "}}\n",
                  t.rows, t.depth, t.columns));
}

Graph fused(const Tiling& t) {
  return parse_graph(fmt::format(
      "lamina 1\n"
      "graph g(x: f32[{0}, {1}], v: f32[{1}, {2}], w: f32[{1}, {2}]) {{\n"
      "  y: f32[{0}, {2}] = block(x, v, w, grid=[{6}], loop=[{5}]) {{\n"
      "    state s: f32[{0}, {4}] = 0.0\n"
      "    state t: f32[{0}, {4}] = 0.0\n"
      "    a: f32[{0}, {3}] = load(x, grid=[-1], loop=1, tile=[{0}, {3}])\n"
      "    b: f32[{3}, {4}] = load(v, grid=[1], loop=0, tile=[{3}, {4}])\n"
      "    c: f32[{3}, {4}] = load(w, grid=[1], loop=0, tile=[{3}, {4}])\n"
      "    d: f32[{0}, {4}] = matmul(a, b)\n"
      "    e: f32[{0}, {4}] = add(s, d)\n"
      "    f: f32[{0}, {4}] = matmul(a, c)\n"
      "    h: f32[{0}, {4}] = add(t, f)\n"
      "    i: f32[{0}, {4}] = after(s)\n"
      "    j: f32[{0}, {4}] = after(t)\n"
      "    k: f32[{0}, {4}] = silu(i)\n"
      "    l: f32[{0}, {4}] = mul(k, j)\n"
      "    m: f32[{0}, {2}] = store(l, grid=[{7}], shape=[{0}, {2}])\n"
      "    s <- e\n"
      "    t <- h\n"
      "    return y0=m\n"
      "  }}\n"
      "  return y\n"
      "}}\n",
      t.rows, t.depth, t.columns, t.depth_tile, t.column_tile, t.loop, t.grid, t.store_axis));
}

// The same mistake where it shows nothing: the tiles divide the sizes.
Tiling small() {
  return {
      .rows = 2, .depth = 6, .columns = 6, .depth_tile = 3, .column_tile = 3, .loop = 2, .grid = 2};
}

VerifyOptions few_elements() { return {.elements = 3, .shrink_witness = false}; }

}  // namespace

TEST_CASE("a program of 32 million weights is checked at full shape in few operations") {
  const Tiling full{.depth = 4096, .columns = 4096, .loop = 64, .grid = 64};
  const Verdict verdict = verify(gated(full), fused(full), few_elements());
  CHECK(verdict.outcome == Outcome::kEquivalent);
  CHECK(verdict.bits.value_or(0.0) >= 80.0);
  REQUIRE(verdict.elements.size() == 3);
  CHECK(verdict.elements[0].at == Shape{7, 4095});
  CHECK(verdict.elements[2].at == Shape{0, 0});
  for (const CheckedElement& element : verdict.elements) {
    CHECK(element.operations < 1e5);
    CHECK(element.bits.value_or(0.0) >= 80.0);
  }
}

TEST_CASE("what only the full shape shows: the last tiles") {
  CHECK(verify(gated(small()), fused(small())).outcome == Outcome::kEquivalent);
  const Tiling ragged{.depth = 1000, .columns = 1000};
  CHECK(verify(gated(ragged), fused(ragged), few_elements()).outcome == Outcome::kEquivalent);

  Tiling short_loop = ragged;
  short_loop.loop = ragged.depth / ragged.depth_tile;  // without the shorter tile at the end
  CHECK(verify(gated(short_loop), fused(short_loop), few_elements()).outcome ==
        Outcome::kDifferent);

  Tiling short_grid = ragged;
  short_grid.grid = ragged.columns / ragged.column_tile;
  const Verdict verdict = verify(gated(short_grid), fused(short_grid), few_elements());
  CHECK(verdict.outcome == Outcome::kDifferent);
  CHECK(verdict.elements.size() == 1);  // the last element, which comes first, is wrong
}

TEST_CASE("what only the full shape shows: places") {
  // Columns are cut by the dimension of the grid that cuts the rows.
  const auto product = [](std::int64_t n, std::string_view columns) {
    return parse_graph(
        fmt::format("lamina 1\n"
                    "graph g(x: f32[{0}, 50], w: f32[50, {0}]) {{\n"
                    "  y: f32[{0}, {0}] = block(x, w, grid=[{1}, {1}]) {{\n"
                    "    a: f32[64, 50] = load(x, grid=[0, -1], tile=[64, 50])\n"
                    "    b: f32[50, 64] = load(w, grid=[{2}], tile=[50, 64])\n"
                    "    c: f32[64, 64] = matmul(a, b)\n"
                    "    d: f32[{0}, {0}] = store(c, grid=[0, 1], shape=[{0}, {0}])\n"
                    "    return y0=d\n"
                    "  }}\n"
                    "  return y\n"
                    "}}\n",
                    n, (n + 63) / 64, columns));
  };
  CHECK(verify(product(64, "-1, 1"), product(64, "1, -1")).outcome == Outcome::kEquivalent);
  VerifyOptions options = few_elements();
  options.elements = 8;  // three lie on the diagonal
  CHECK(verify(product(640, "-1, 1"), product(640, "1, -1"), options).outcome ==
        Outcome::kDifferent);
}

TEST_CASE("an element that needs too much is not supported, with the reason") {
  const Graph graph = gated({.depth = 6'000'000, .columns = 1});
  const Verdict verdict = verify(graph, graph, few_elements());
  CHECK(verdict.outcome == Outcome::kUnsupported);
  CHECK(verdict.reason.find("operations") != std::string::npos);
}

TEST_CASE("integer inputs are drawn whole, indices stay in range") {
  const char* const text =
      "lamina 1\n"
      "graph g(table: f32[300, 64], ids: i32[5, 7]) {\n"
      "  y = gather(table, ids, axis=0)\n"
      "  return y\n"
      "}\n";
  const Verdict verdict = verify(parse_graph(text), parse_graph(text), few_elements());
  CHECK(verdict.outcome == Outcome::kEquivalent);
}

TEST_CASE("named sizes have to be bound before elements are chosen") {
  const Graph graph =
      parse_graph("lamina 1\ngraph g[T: 1..9](x: f32[T]) {\n  y = exp(x)\n  return y\n}\n");
  CHECK_THROWS_AS(verify(graph, graph, few_elements()), Error);
}

}  // namespace lamina
