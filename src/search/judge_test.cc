// What the judge refuses: programs that are wrong at full shape only, and too large errors.
#include "search/judge.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <limits>

namespace lamina::search {
namespace {

Graph product(std::int64_t depth) {
  return parse_graph(
      fmt::format("lamina 1\n"
                  "graph g(x: f32[4, {0}], w: f32[{0}, 300]) {{\n"
                  "  y = matmul(x, w)\n"
                  "  return y\n"
                  "}}\n",
                  depth));
}

// In tiles of 64 of the depth, `loop` of them.
Graph in_blocks(std::int64_t depth, std::int64_t loop) {
  return parse_graph(
      fmt::format("lamina 1\n"
                  "graph g(x: f32[4, {0}], w: f32[{0}, 300]) {{\n"
                  "  y: f32[4, 300] = block(x, w, grid=[5], loop=[{1}]) {{\n"
                  "    state s: f32[4, 64] = 0.0\n"
                  "    a: f32[4, 64] = load(x, grid=[-1], loop=1, tile=[4, 64])\n"
                  "    b: f32[64, 64] = load(w, grid=[1], loop=0, tile=[64, 64])\n"
                  "    c: f32[4, 64] = matmul(a, b)\n"
                  "    d: f32[4, 64] = add(s, c)\n"
                  "    e: f32[4, 64] = after(s)\n"
                  "    f: f32[4, 300] = store(e, grid=[1], shape=[4, 300])\n"
                  "    s <- d\n"
                  "    return y0=f\n"
                  "  }}\n"
                  "  return y\n"
                  "}}\n",
                  depth, loop));
}

}  // namespace

TEST_CASE("a candidate whose loop misses the last, shorter tile is refuted at full shape") {
  const Graph prepared = product(700);
  const Judge judge(prepared, choose_bindings(prepared, 128), 1);
  const Verdict right = judge.prove_elements(in_blocks(700, 11), 2);
  CHECK(right.outcome == Outcome::kEquivalent);
  CHECK(right.bits.value_or(0.0) >= 81.0);
  CHECK(right.elements.size() == 2);
  CHECK(judge.prove_elements(in_blocks(700, 10), 2).outcome == Outcome::kDifferent);
}

TEST_CASE("a whole program may be twice as far off as an unfused one outside the tolerance") {
  CHECK(!is_too_far_off(0.0, 0.0));
  CHECK(!is_too_far_off(1.0, 0.0));
  CHECK(is_too_far_off(1.02, 0.0));
  CHECK(is_too_far_off(1.02, 1.0));
  CHECK(!is_too_far_off(3.0, 3.0));
  CHECK(!is_too_far_off(1.88, 1.64));  // a detection model of 360 operators
  CHECK(is_too_far_off(6.1, 3.0));
  CHECK(is_too_far_off(std::numeric_limits<double>::infinity(),
                       std::numeric_limits<double>::infinity()));
}

}  // namespace lamina::search
