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

}  // namespace

TEST_CASE("block kernels compile to cubins") {
  const auto nvcc = find_nvcc();
  if (!nvcc) {
    MESSAGE("skipped: there is no nvcc in PATH or /usr/local/cuda/bin");
    return;
  }
  std::vector<Kernel> kernels;
  for (const Graph& graph : graphs()) {
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
