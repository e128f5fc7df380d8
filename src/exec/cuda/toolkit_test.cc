// Every kind of kernel compiles for the GPUs that are meant, where nvcc is there.
#include "exec/cuda/toolkit.h"

#include "exec/cpu/block_examples_test.h"
#include "exec/cuda/node_emulation_test.h"

using namespace lamina;
using namespace lamina::cuda;

namespace {

std::vector<Graph> graphs() {
  std::vector<Graph> all;
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    const cpu::LinearShape linear{17, 577, 1023, 64, 64, dtype};
    all.push_back(cpu::rms_norm_linear(linear));
    all.push_back(cpu::gated_mlp(linear));
    all.push_back(cpu::lora(linear, 5));
    all.push_back(cpu::attention(
        {.heads = 3, .queries = 100, .keys = 199, .width = 64, .query_tile = 64, .dtype = dtype}));
    all.push_back(cpu::norm_transformer(7, 1023, 1, dtype));
  }
  all.push_back(cpu::attention({.heads = 2, .queries = 37, .keys = 37, .causal = true}));
  return all;
}

// What is not fused: orderings by each of their kernels, scatters, added windows.
std::vector<Graph> plain_graphs() {
  std::vector<Graph> all;
  for (const char* text :
       {"(x: bf16[9, 4096]) {\n  return argmax(x, axis=1)\n}",
        "(x: f32[9, 50000]) {\n  return top_k(x, k=[8], axis=1)\n}",
        "(x: f32[9, 3000]) {\n  return sort(x, axis=1)\n}",
        "(x: i64[9, 50000]) {\n  return sort(x, axis=1)\n}",
        "(x: bf16[9, 64], i: i64[30], u: bf16[30, 64]) {\n"
        "  return scatter(x, i, u, combine=\"add\")\n}",
        "(x: f32[9, 64], i: i32[30, 2], u: f32[30]) {\n  return scatter_nd(x, i, u)\n}",
        "(x: f32[2, 3, 8, 3]) {\n  return fold(x, window=[3], strides=[2], extents=[17])\n}",
        "(x: i64[40, 9]) {\n  return reduce_max(x, axes=[0])\n}"}) {
    all.push_back(parse_graph(fmt::format("lamina 1\ngraph g{}", text)));
  }
  return all;
}

void check_cubins(const std::vector<Graph>& graphs) {
  const auto nvcc = find_nvcc();
  if (!nvcc) {
    MESSAGE("skipped: there is no nvcc in PATH or /usr/local/cuda/bin");
    return;
  }
  std::vector<Kernel> kernels;
  for (const Graph& graph : graphs) {
    for (Kernel kernel : emit_node(graph, test_machine())) {
      kernel.name = fmt::format("lm_{}", kernels.size());
      kernels.push_back(std::move(kernel));
    }
  }
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("lamina_cubins_{}", getuid());
  for (const int sm : {80, 90}) {
    CHECK(compile_cubin(*nvcc, translation_unit(kernels), sm, folder.string()).size() > 1000);
  }
}

}  // namespace

TEST_CASE("block kernels compile to cubins") { check_cubins(graphs()); }

TEST_CASE("kernels outside blocks compile to cubins") { check_cubins(plain_graphs()); }
