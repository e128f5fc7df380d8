// Block graphs that cannot run are no graphs.
#include <doctest/doctest.h>

#include <string>

#include "lamina/error.h"
#include "lamina/graph.h"

using namespace lamina;

namespace {

std::string block(const std::string& body) {
  return "lamina 1\ngraph g(x: f32[4, 6]) {\n  z = block(x, grid=[2], loop=[3]) {\n" + body +
         "  }\n  return z\n}";
}

constexpr const char* kState = "state acc: f32[2, 2] = 0.0\n";
constexpr const char* kLoad = "t = load(x, grid=[0], loop=1, tile=[2, 2])\n";
constexpr const char* kStore = "return store(after(acc), grid=[0], shape=[4, 2])\n";

}  // namespace

TEST_CASE("a state is not updated with what follows the loop") {
  const std::string start = std::string(kState) + kLoad;
  CHECK_NOTHROW(parse_graph(block(start + "acc <- acc + t\n" + kStore)));
  CHECK_THROWS_WITH_AS(parse_graph(block(start + "acc <- after(acc) + t\n" + kStore)),
                       doctest::Contains("follows the loop"), Error);
}

TEST_CASE("loads and stores map every dimension of the grid") {
  const std::string rest = std::string("acc <- acc + t\n") + kStore;
  const std::string load = "t = load(x, grid=[0, 1], tile=[2, 2])\n";
  CHECK_THROWS_WITH_AS(parse_graph(block(kState + load + rest)),
                       doctest::Contains("maps 2 grid dimensions of 1"), Error);
}
