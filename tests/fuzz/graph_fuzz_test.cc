// Random graphs: they are valid, round trip, and every device agrees with the reference on them.
#include <doctest/doctest.h>

#include <set>

#include "graph/random_graph.h"
#include "graph/tolerance.h"
#include "lamina/bench.h"
#include "lamina/device.h"

using namespace lamina;

namespace {

constexpr std::uint64_t kSeed = 7;

Graph graph_number(int i, const RandomGraphOptions& options) {
  Rng rng = Rng(kSeed).split(static_cast<std::uint64_t>(i));
  return random_graph(rng, options);
}

}  // namespace

TEST_CASE("fuzz: random graphs are valid, differ, and round trip") {
  MESSAGE("fuzz: seed " << kSeed << ", 300 graphs");
  std::set<GraphHash> hashes;
  std::set<std::string> operators;
  for (int i = 0; i < 300; ++i) {
    CAPTURE(i);
    const Graph graph = graph_number(i, {});
    validate(graph);
    const std::string text = print_graph(graph);
    const Graph again = parse_graph(text);
    CHECK(print_graph(again) == text);
    CHECK(structure_hash(again) == structure_hash(graph));
    CHECK(structure_hash(graph_number(i, {})) == structure_hash(graph));
    hashes.insert(structure_hash(graph));
    for (const Node& node : graph.nodes) operators.insert(std::string(op_name(node)));
  }
  CHECK(hashes.size() > 290);
  for (const char* op : {"matmul", "rms_norm", "layer_norm", "softmax", "silu", "reduce_max"}) {
    CHECK_MESSAGE(operators.count(op) == 1, op);
  }
}

TEST_CASE("fuzz: every device agrees with the reference on random graphs") {
  for (int i = 0; i < 6; ++i) {
    const RandomGraphOptions small{.steps = 4, .max_rows = 7, .max_width = 130};
    const Graph graph = fill_weights(graph_number(i, small), kSeed);
    const std::vector<Tensor> inputs = random_inputs(graph, {}, kSeed);
    const std::vector<Tensor> want = compile(graph, find_device("ref"))->run(inputs);
    for (const Device* device : devices()) {
      if (device->name() == "ref") continue;
      const std::vector<Tensor> got = compile(graph, *device, {.threads = 2})->run(inputs);
      for (std::size_t k = 0; k < want.size(); ++k) {
        const auto wrong = difference(got[k], want[k], tolerance(graph));
        CHECK_MESSAGE(!wrong, device->name(), ", seed ", kSeed, ", graph ", i, ": ",
                      wrong.value_or(""), "\n", print_graph(graph));
      }
    }
  }
}
