// Which programs classes of sizes get, and that those are right at every size.
#include "search/class_search.h"

#include <doctest/doctest.h>

#include "base/temporary_folder.h"
#include "graph/tolerance.h"
#include "lamina/bench.h"
#include "search/size_classes.h"
#include "search/tiling.h"

using namespace lamina;
using namespace lamina::search;

namespace {

const char* const kOneSize = R"(lamina 1
graph head[T: 1..40](x: f32[T, 48], weight w: f32[48, 32]) {
  return y=relu(matmul(x, w))
}
)";
const char* const kTwoSizes = R"(lamina 1
graph head[B: 1..3, T: 1..12](x: f32[B, T, 48], weight w: f32[48, 32]) {
  return y=relu(matmul(x, w))
}
)";

// The same function by many times the work: any program of a class is faster.
Graph slow(const Graph& graph) {
  Graph result = graph;
  const Output wanted = result.outputs[0];
  Value sum = result.add("mul", {wanted.value, result.constant(0.0)});
  for (int i = 0; i < 60; ++i) {
    sum = result.add("sin", {result.add("add", {sum, result.constant(1.0 + i)})});
  }
  const Value zero = result.add("mul", {sum, result.constant(0.0)});
  result.outputs[0].value = result.add("add", {wanted.value, zero});
  return result;
}

class Fixture {
 public:
  Fixture() {
    options.cache_dir = cache.path();
    options.threads = 1;
    options.rotate_bytes = 0;
    options.seed = 5;
  }

  // What search_classes() makes of a search that gives `found`(graph).
  OptimizeResult classes(const Graph& graph, const Graph& general,
                         const std::function<Graph(const Graph&)>& found,
                         std::stop_token stop = {}) {
    OptimizeResult result;
    result.graph = general;
    const Search search = [&](const Graph& part, const OptimizeProgress& told) {
      OptimizeResult one;
      one.graph = found(part);
      one.verdict = "equivalent";
      one.before_ms = 2.0;
      one.after_ms = 1.0;
      told("searching", 0.5);
      searched.push_back(part.sizes);
      return one;
    };
    const OptimizeProgress progress = [&](const std::string& what, double) {
      said.push_back(what);
    };
    search_classes(graph, {find_device("cpu"), options, stop, search, progress}, result);
    return result;
  }

  // Every size of the model runs on the program of its class and equals the reference device.
  void check_all(const Graph& model, const OptimizeResult& result) {
    int sizes_run = 0;
    for (const OptimizeResult& each : result.classes) {
      const auto program = compile(each.graph, find_device("cpu"), {.cache_dir = cache.path()});
      for (const Sizes& sizes : all_of(each.sizes)) {
        const std::vector<Tensor> inputs = random_inputs(model, sizes, 3);
        const auto want = compile(bind_sizes(model, sizes), find_device("ref"))->run(inputs);
        const auto off = difference(program->run(inputs)[0], want[0], tolerance(model, sizes));
        CHECK_MESSAGE(!off, to_string(each.sizes), ": ", off.value_or(""));
        ++sizes_run;
      }
    }
    CHECK(sizes_run == static_cast<int>(all_of(model.sizes).size()));
  }

  OptimizeOptions options;
  std::vector<std::vector<SizeRange>> searched;
  std::vector<std::string> said;

 private:
  static std::vector<Sizes> all_of(const SizeClass& ranges) {
    std::vector<Sizes> all(1);
    for (const SizeRange& range : ranges) {
      std::vector<Sizes> longer;
      for (const Sizes& begun : all) {
        for (std::int64_t value = range.min; value <= range.max; ++value) {
          longer.push_back(begun);
          longer.back()[range.name] = value;
        }
      }
      all = std::move(longer);
    }
    return all;
  }

  lamina::TemporaryFolder cache;
};

// Tiles that depend on the class, so that no two classes have the same program.
Graph tiled(const Graph& graph) {
  const Dims& shape = graph.type(graph.outputs[0].value).shape;
  Tiling tiling;
  tiling.tile.assign(shape.size(), 1);
  tiling.tile.back() = 16;
  const std::int64_t most = graph.sizes.empty() ? 1 : graph.sizes.back().max;
  tiling.tile[shape.size() - 2] = std::max<std::int64_t>(1, most / 3);
  return *tile_program(prepare(graph), tiling);
}

}  // namespace

TEST_CASE("classes: of one size, each has a program, and every size is right") {
  Fixture fixture;
  const Graph model = fill_weights(parse_graph(kOneSize), 5);
  const OptimizeResult result = fixture.classes(model, slow(model), tiled);
  REQUIRE(result.classes.size() == 4);
  CHECK(fixture.searched[0].empty());  // one value: bound
  CHECK(fixture.searched[1] == std::vector<SizeRange>{{"T", 2, 8}});
  CHECK(fixture.said[1] == "T 2..8: searching");
  CHECK(result.classes[0].sizes == SizeClass{{"T", 1, 1}});
  CHECK(result.classes[3].sizes == SizeClass{{"T", 33, 40}});
  for (const OptimizeResult& each : result.classes) {
    CHECK(each.refusal.empty());
    CHECK(each.own_ms > 0.0);
    CHECK(each.own_ms < each.general_ms);
  }
  fixture.check_all(model, result);
}

TEST_CASE("classes: of two sizes, every pair of sizes is right") {
  Fixture fixture;
  const Graph model = fill_weights(parse_graph(kTwoSizes), 5);
  const OptimizeResult result = fixture.classes(model, slow(model), tiled);
  CHECK(result.classes.size() == 6);  // 1, 2..3 by 1, 2..8, 9..12
  fixture.check_all(model, result);
}

TEST_CASE("classes: neighbours with the same program are one") {
  Fixture fixture;
  const Graph model = fill_weights(parse_graph(kOneSize), 5);
  const OptimizeResult result =
      fixture.classes(model, slow(model), [](const Graph& graph) { return graph; });
  REQUIRE(result.classes.size() == 2);
  CHECK(result.classes[0].sizes == SizeClass{{"T", 1, 1}});
  CHECK(result.classes[1].sizes == SizeClass{{"T", 2, 40}});
  CHECK(result.classes[1].graph.sizes == std::vector<SizeRange>{{"T", 2, 40}});
  fixture.check_all(model, result);
}

TEST_CASE("classes: what is not faster is refused, and the program of all sizes stays") {
  Fixture fixture;
  const Graph model = fill_weights(parse_graph(kOneSize), 5);
  const OptimizeResult result = fixture.classes(model, model, slow);
  REQUIRE(result.classes.size() == 4);
  for (const OptimizeResult& each : result.classes) {
    CHECK(each.refusal == "not faster than the program of all sizes");
    CHECK(each.graph.nodes.empty());
    CHECK(each.verdict == "unchanged");
    CHECK(each.general_ms < each.own_ms);
  }
}

TEST_CASE("classes: none where nothing cuts, where a state lives, or when asked to stop") {
  Fixture fixture;
  const auto same = [](const Graph& graph) { return graph; };
  const Graph model = fill_weights(parse_graph(kOneSize), 5);
  const Graph few = with_ranges(model, {{"T", 2, 8}});
  CHECK(fixture.classes(few, few, same).classes.empty());

  const Graph stateful = parse_graph(R"(lamina 1
graph g[T: 1..40](x: f32[T], state s: f32[1]) {
  s <- s + sum(x, axes=[0], keepdims=true)
  return y=x * s
}
)");
  const OptimizeResult kept = fixture.classes(stateful, stateful, same);
  CHECK(kept.classes.empty());
  REQUIRE(kept.warnings.size() == 1);
  CHECK(kept.warnings[0].find("states") != std::string::npos);

  std::stop_source source;
  source.request_stop();
  const OptimizeResult stopped = fixture.classes(model, slow(model), same, source.get_token());
  CHECK(stopped.classes.empty());
  CHECK(stopped.stopped == StopReason::kStopped);
  CHECK(fixture.searched.empty());
}

TEST_CASE("classes: those beyond what the reference device computes in seconds are left out") {
  Fixture fixture;
  const Graph model = fill_weights(parse_graph(R"(lamina 1
graph wide[T: 2048..4096](x: f32[1, 1], weight w: f32[1, 32768], t: f32[T]) {
  return y=sum(reshape(matmul(x, w), shape=[32768])) + t
}
)"),
                                   5);
  CHECK_FALSE(fixture.classes(model, model, [](const Graph& g) { return g; }).classes.empty());
  const Graph vast = parse_graph(R"(lamina 1
graph vast[T: 2048..8192](x: f32[T, 32768]) {
  return y=relu(x)
}
)");
  const OptimizeResult result = fixture.classes(vast, vast, [](const Graph&) -> Graph {
    FAIL("searched");
    return {};
  });
  REQUIRE(result.classes.size() == 2);
  CHECK(result.classes[0].refusal == "too large for the reference device");
}
