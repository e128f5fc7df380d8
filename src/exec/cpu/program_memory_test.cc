// What is said before compiling is what programs hold.
#include "exec/cpu/program_memory.h"

#include <doctest/doctest.h>

#include "base/temporary_folder.h"
#include "lamina/bench.h"
#include "lamina/device.h"

using namespace lamina;

TEST_CASE(
    "packs and values of weights alone are foreseen, and what is read as it is does not count") {
  const Graph graph = parse_graph(R"(lamina 1
graph g(x: f32[8, 64], weight w: f32[64, 40], weight v: f32[40, 64], weight bias: f32[64]) {
  first = matmul(x, w)
  active = relu(first)
  scaled = mul(v, v)
  second = matmul(active, scaled)
  third = matmul(second, w)
  shifted = add(second, bias)
  return third, shifted
}
)");
  const TemporaryFolder cache;
  const auto program = compile(fill_weights(graph, 1), find_device("cpu"),
                               {.threads = 1, .cache_dir = cache.path()});
  const cpu::ProgramMemory memory = cpu::program_memory(graph);
  const std::vector<Tensor> inputs = random_inputs(graph, {}, 2);
  program->run(inputs);
  CHECK(program->stats().arena_bytes == memory.arena);
  CHECK(program->stats().packed_weight_bytes < memory.made_of_weights);  // the squares are let go
  CHECK(program->stats().plain_weight_bytes == 64 * 4);
  // Weights that change: then they stay.
  const Graph other = fill_weights(graph, 3);
  for (const Input& input : other.inputs) {
    if (input.role == Role::kWeight)
      program->set_weight(other.node({input.node, 0}).name, input.value);
  }
  program->run(inputs);
  CHECK(program->stats().packed_weight_bytes == memory.made_of_weights);
  CHECK(program->stats().plain_weight_bytes == 64 * 4);
}
