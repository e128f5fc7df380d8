// Whole programs on an emulated GPU: constants, views, states, named sizes, and every operator.
#include "exec/cuda/cuda_program.h"

#include "exec/cuda/emulated_gpu_test.h"

using namespace lamina;
using namespace lamina::cuda;

namespace {

std::shared_ptr<Gpu> gpu() { return std::make_shared<EmulatedGpu>(test_machine()); }

std::vector<Tensor> inputs_of(const Graph& graph, const Sizes& sizes) {
  std::vector<Tensor> inputs;
  for (const Input& input : graph.inputs) {
    if (input.role == Role::kWeight || input.role == Role::kState) continue;
    const Type& type = graph.nodes[static_cast<std::size_t>(input.node)].types[0];
    const auto seed = static_cast<unsigned>(inputs.size()) + 1;
    inputs.push_back(random_tensor(type.dtype, evaluate(type.shape, sizes), seed));
  }
  return inputs;
}

void check_close(const std::vector<Tensor>& got, const std::vector<Tensor>& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    CHECK(cpu::relative_error(got[i], want[i]) <= tolerance_of(want[i].dtype()));
  }
}

}  // namespace

TEST_CASE("products, folds, moves, views and constants over a named size") {
  const Graph graph = parse_graph(R"(lamina 1
graph mixed[T: 1..9](x: f32[T, 6], w: bf16[6, 10], i: i64[T]) {
  y = softmax(x @ w + 0.5, axis=-1)
  z = concat(y, transpose(transpose(y)), axis=1)
  a, b = split(z, sizes=[7, 13], axis=1)
  m = mean(pad(b, low=[0, 1], high=[0, 2]), axes=[1])
  return a, m, reduce_max(b, axes=[0]), sum(i * 3), gather(x, i - i, axis=0)
})");
  CudaProgram program(graph, gpu());
  for (const std::int64_t rows : {5, 1}) {
    const std::vector<Tensor> inputs = inputs_of(graph, {{"T", rows}});
    check_close(program.run(inputs), compile(graph, ref_device())->run(inputs));
  }
  CHECK(program.stats().fallbacks == 0);
  CHECK(program.source().find("__global__") != std::string::npos);
}

TEST_CASE("states live on the GPU between runs, weights come once") {
  const Graph graph = parse_graph(R"(lamina 1
graph steps(x: f32[4], weight w: f32[4], state s: f32[4] = 2.0) {
  next = s * 0.5 + x * exp(w)
  s <- next
  return next + s
})");
  CudaProgram program(graph, gpu());
  const auto reference = compile(graph, ref_device());
  const std::vector<Tensor> inputs = inputs_of(graph, {});
  CHECK_THROWS_WITH_AS(program.run(inputs), doctest::Contains("weight 'w'"), Error);
  const Tensor weight = random_tensor(DType::kF32, {4}, 9);
  program.set_weight("w", weight);
  reference->set_weight("w", weight);
  for (int run = 0; run < 3; ++run) check_close(program.run(inputs), reference->run(inputs));
  check_close({program.state("s")}, {reference->state("s")});
  program.reset_state();
  reference->reset_state();
  check_close(program.run(inputs), reference->run(inputs));
}

TEST_CASE("what has no kernel is named, not handed to the host") {
  const Graph graph = parse_graph(R"(lamina 1
graph packed(x: f32[2, 32], w: q8_0[32, 32]) {
  return matmul(x, w)
})");
  CHECK_THROWS_WITH_AS(CudaProgram(graph, gpu()), doctest::Contains("q8_0"), Error);
}

TEST_CASE("a machine without a GPU says why it has no device cuda") {
  const bool present = std::any_of(devices().begin(), devices().end(),
                                   [](const Device* device) { return device->name() == "cuda"; });
  if (present) {
    MESSAGE("skipped: there is a GPU");
    return;
  }
  CHECK_THROWS_WITH_AS(find_device("cuda"), doctest::Contains("no device 'cuda' (the "), Error);
}
