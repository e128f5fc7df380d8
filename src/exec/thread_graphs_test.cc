// Thread graphs: they say what the emitters do, and compute what the block did.
#include <doctest/doctest.h>

#include <cmath>

#include "exec/cpu/block_examples_test.h"
#include "lamina/bench.h"
#include "lamina/device.h"
#include "lamina/error.h"
#include "lamina/threads.h"

using namespace lamina;

namespace {

std::vector<const Node*> threads_of(const Graph& graph) {
  std::vector<const Node*> found;
  for (const Node& node : graph.node(graph.outputs.at(0).value).graphs.at(0).nodes) {
    if (op_name(node) == "thread") found.push_back(&node);
  }
  return found;
}

bool has(const Node& thread, std::string_view op) {
  const Graph& inner = thread.graphs.at(0);
  return std::any_of(inner.nodes.begin(), inner.nodes.end(),
                     [&](const Node& node) { return op_name(node) == op; });
}

// The same program: on the reference device, and again as text that was read.
Graph checked(Graph block, std::string_view target) {
  Graph graph = with_thread_graphs(block, target);
  CHECK(print_graph(parse_graph(print_graph(graph))) == print_graph(graph));
  // Weights without elements would have to be given.
  for (Graph* each : {&block, &graph}) {
    for (Input& input : each->inputs) input.role = Role::kInput;
  }
  const std::vector<Tensor> inputs = random_inputs(block, {}, 3);
  const std::vector<Tensor> want = compile(block, find_device("ref"))->run(inputs);
  const std::vector<Tensor> got = compile(graph, find_device("ref"))->run(inputs);
  REQUIRE(got.size() == want.size());
  for (std::size_t k = 0; k < want.size(); ++k) {
    const std::vector<double> x = want[k].to_doubles(), y = got[k].to_doubles();
    double worst = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::fabs(x[i] - y[i]));
    CHECK(worst < 1e-5);
  }
  return graph;
}

}  // namespace

TEST_CASE("what an attention computes in one pass, and in which register tiles") {
  for (const char* target : {"cpu", "cuda:sm_90"}) {
    CAPTURE(target);
    const Graph graph = checked(cpu::attention({.heads = 2, .queries = 32, .keys = 128}), target);
    int products = 0;
    bool chain = false;
    for (const Node* thread : threads_of(graph)) {
      products += has(*thread, "matmul");
      if (has(*thread, "matmul")) {
        CHECK(thread->attrs.dims("tile").size() == 2);
        CHECK(thread->attrs.integer("lanes") > 1);
      }
      chain = chain || (has(*thread, "sub") && has(*thread, "exp"));
    }
    CHECK(products == 2);
    CHECK(chain);
  }
}

TEST_CASE("stores of every iteration, norms and linear layers") {
  for (const char* target : {"cpu", "cuda:sm_90"}) {
    CAPTURE(target);
    checked(cpu::scores_and_sums({3}, 9, 43, DType::kF32), target);
    checked(cpu::rms_norm_linear({8, 128, 128, 64, 64, DType::kF32}), target);
    checked(cpu::gated_mlp({8, 128, 128, 64, 64, DType::kF32}), target);
    checked(cpu::norm_transformer(8, 128, 1, DType::kF32), target);
  }
  CHECK_THROWS_AS(with_thread_graphs(cpu::scores_and_sums({3}, 9, 43, DType::kF32), "tpu"), Error);
}
