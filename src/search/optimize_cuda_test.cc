// Programs for a GPU that is not here: what is chosen, proved, written and said.
#include <doctest/doctest.h>

#include "lamina/cuda.h"
#include "lamina/error.h"

using namespace lamina;

namespace {

Graph gated() {
  return parse_graph(R"(lamina 1
graph gated(x: bf16[8, 512], weight w1: bf16[512, 640], weight w2: bf16[512, 640]) {
  return silu(matmul(x, w1)) * matmul(x, w2)
})");
}

}  // namespace

TEST_CASE("a gated layer becomes one proved kernel") {
  const CudaResult result = optimize_for_cuda(gated(), {});
  CHECK(result.kernels == 1);
  REQUIRE(result.regions.size() == 1);
  CHECK(result.regions[0].bits >= 80.0);
  CHECK(result.predicted_us < result.unfused_us);
  CHECK(result.source.find("lm_mma_bf16") != std::string::npos);
  CHECK(result.torch_source.find("PYBIND11_MODULE") != std::string::npos);
  CHECK(result.torch_source.find("expected a contiguous bf16[512, 640]") != std::string::npos);
  CHECK(result.run.size() > 0);
}

TEST_CASE("targets need a description of the machine") {
  CHECK_THROWS_WITH_AS(optimize_for_cuda(gated(), {.target = "sm_75"}), doctest::Contains("sm_75"),
                       Error);
  CHECK_THROWS_WITH_AS(
      optimize_for_cuda(gated(), {.target = "sm_80", .machine = "share/machines/h100.json"}),
      doctest::Contains("sm_90, not of sm_80"), Error);
  CHECK(optimize_for_cuda(gated(), {.target = "sm_80"}).machine.find("A100") != std::string::npos);
}

TEST_CASE("an operator without a kernel is named") {
  const Graph graph =
      parse_graph("lamina 1\ngraph g(x: f32[2, 32], w: q8_0[32, 32]) {\n  return matmul(x, w)\n}");
  CHECK_THROWS_WITH_AS(optimize_for_cuda(graph, {}), doctest::Contains("q8_0"), Error);
}

TEST_CASE("a PyTorch extension of named sizes is refused with a reason") {
  const Graph graph = parse_graph(
      "lamina 1\ngraph g[T: 1..8](x: f32[T, 64]) {\n  return softmax(exp(x), axis=-1)\n}");
  const CudaResult result = optimize_for_cuda(graph, {});
  CHECK(result.torch_source.empty());
  CHECK(result.torch_refusal.find("named sizes") != std::string::npos);
}

TEST_CASE("a program of several kernels has host code that launches them all") {
  const Graph graph = parse_graph(R"(lamina 1
graph two(i: i64[512], x: f32[16, 64], weight w: f32[512, 640]) {
  return exp(matmul(gather(x, i, axis=1), w))
})");
  const CudaResult result = optimize_for_cuda(graph, {});
  REQUIRE(result.kernels >= 2);
  for (const std::string& source : {result.host_source, result.torch_source}) {
    std::size_t launches = 0;
    for (std::size_t at = 0; (at = source.find("<<<", at)) != std::string::npos; ++at) ++launches;
    CHECK(launches == static_cast<std::size_t>(result.kernels));
  }
  CHECK(result.host_source.find("{\"w\", \"f32\", 2, {512, 640}}") != std::string::npos);
}

TEST_CASE("a deep product with few tasks is split along its depth, for a second kernel") {
  const Graph graph = parse_graph(R"(lamina 1
graph deep(x: bf16[4, 16384], weight w: bf16[16384, 256]) {
  return matmul(x, w)
})");
  const CudaResult result = optimize_for_cuda(graph, {});
  REQUIRE(result.regions.size() == 1);
  CHECK(result.regions[0].choice.find("parts") != std::string::npos);
  CHECK(result.regions[0].bits >= 80.0);
  CHECK(result.kernels == 2);
  CHECK(result.predicted_us < 0.2 * result.unfused_us);
  CHECK(result.torch_source.find("lm_1_block<<<") != std::string::npos);
}
