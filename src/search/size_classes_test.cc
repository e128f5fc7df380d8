// Where ranges of sizes are cut, and which parts are joined.
#include "search/size_classes.h"

#include <doctest/doctest.h>

using namespace lamina;
using namespace lamina::search;

namespace {

Graph sized(std::vector<SizeRange> sizes) {
  Graph graph;
  graph.sizes = std::move(sizes);
  return graph;
}

std::vector<SizeRange> parts(std::int64_t min, std::int64_t max) {
  std::vector<SizeRange> result;
  for (const SizeClass& sizes : size_classes(sized({{"T", min, max}}))) result.push_back(sizes[0]);
  return result;
}

// How many of the classes hold these sizes.
int holders(const std::vector<SizeClass>& classes, std::int64_t b, std::int64_t t) {
  int count = 0;
  for (const SizeClass& sizes : classes) {
    if (sizes[0].min <= b && b <= sizes[0].max && sizes[1].min <= t && t <= sizes[1].max) ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("size classes: a range is cut after 1, 8, 32, 128, 512 and 2048") {
  CHECK(parts(1, 512) ==
        std::vector<SizeRange>{
            {"T", 1, 1}, {"T", 2, 8}, {"T", 9, 32}, {"T", 33, 128}, {"T", 129, 512}});
  CHECK(parts(8, 9) == std::vector<SizeRange>{{"T", 8, 8}, {"T", 9, 9}});
  CHECK(parts(2, 8) == std::vector<SizeRange>{{"T", 2, 8}});
  CHECK(parts(0, 1) == std::vector<SizeRange>{{"T", 0, 1}});
  CHECK(parts(5, 5) == std::vector<SizeRange>{{"T", 5, 5}});
  CHECK(parts(3000, 5000) == std::vector<SizeRange>{{"T", 3000, 5000}});
  CHECK(parts(1, 1 << 20).size() == 7);
  CHECK(size_classes(sized({})) == std::vector<SizeClass>{{}});
}

TEST_CASE("size classes: of several sizes there are few, and each value is in one") {
  const Graph two = sized({{"B", 1, 40}, {"T", 1, 600}});
  const std::vector<SizeClass> classes = size_classes(two);
  CHECK(classes.size() <= 8);
  CHECK(classes.size() >= 4);
  for (std::int64_t b = 1; b <= 40; ++b) {
    for (const std::int64_t t : {1, 2, 8, 9, 32, 33, 128, 129, 512, 513, 600}) {
      CHECK(holders(classes, b, t) == 1);
    }
  }
  CHECK(size_classes(sized({{"B", 1, 1 << 20}, {"T", 1, 1 << 20}, {"S", 1, 1 << 20}})).size() <= 8);
  CHECK(size_classes(two, 1).size() == 1);
  // The nearest ends go first: 1..8 (ratio 8) before 9..128 (14).
  const auto six = size_classes(sized({{"T", 1, 1 << 20}}), 6);
  CHECK(six[0][0] == SizeRange{"T", 1, 8});
  const auto five = size_classes(sized({{"T", 1, 1 << 20}}), 5);
  CHECK(five[1][0] == SizeRange{"T", 9, 128});
}

TEST_CASE("size classes: a graph is narrowed inside too, and joined again") {
  const Graph graph = parse_graph(R"(lamina 1
graph g[B: 1..4, T: 1..40](x: f32[B, T], flag: bool[]) {
  y = if(flag, x) then { return relu(x) } else { return neg(x) }
  return y
}
)");
  const Graph inside = narrow(graph, {{"B", 1, 1}, {"T", 2, 8}});
  CHECK(inside.sizes == std::vector<SizeRange>{{"T", 2, 8}});
  CHECK(inside.nodes.back().graphs[0].sizes == std::vector<SizeRange>{{"T", 2, 8}});
  CHECK(inside.nodes[0].types[0].shape == Dims{1, Dim::size("T")});
  validate(inside);

  const SizeClass low = {{"B", 1, 4}, {"T", 2, 8}};
  CHECK(join(low, {{"B", 1, 4}, {"T", 9, 32}}) == SizeClass{{"B", 1, 4}, {"T", 2, 32}});
  CHECK(join({{"B", 1, 4}, {"T", 9, 32}}, low) == SizeClass{{"B", 1, 4}, {"T", 2, 32}});
  CHECK(join(low, {{"B", 5, 6}, {"T", 2, 8}}) == SizeClass{{"B", 1, 6}, {"T", 2, 8}});
  CHECK_FALSE(join(low, {{"B", 1, 4}, {"T", 33, 64}}));
  CHECK_FALSE(join(low, {{"B", 5, 6}, {"T", 9, 32}}));
  CHECK_FALSE(join(low, low));
}
