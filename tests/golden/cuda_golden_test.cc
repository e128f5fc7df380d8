// The text of CUDA kernels against files: a change of the emitter shows as a change of text.
// LAMINA_WRITE_GOLDEN=1 writes the files anew.
#include <cstdlib>

#include "base/files.h"
#include "exec/cpu/block_examples_test.h"
#include "exec/cuda/node_emulation_test.h"

using namespace lamina;

namespace {

void check_golden(const std::string& name, const Graph& graph) {
  std::string text;
  for (const cuda::Kernel& kernel : cuda::emit_node(graph, cuda::test_machine())) {
    text += fmt::format("// {} threads, {} bytes of shared memory, {} blocks\n{}", kernel.threads,
                        kernel.shared_bytes, kernel.blocks.to_string(), kernel.text);
  }
  const std::string path = "tests/golden/cuda/" + name + ".cu.txt";
  if (std::getenv("LAMINA_WRITE_GOLDEN") != nullptr) write_file_atomically(path, text);
  CHECK(read_file(path) == text);
}

}  // namespace

TEST_CASE("kernels of fused programs") {
  check_golden("rms_norm_linear_bf16",
               cpu::rms_norm_linear({16, 4096, 6144, 64, 64, DType::kBF16}));
  check_golden("gated_mlp_f32", cpu::gated_mlp({8, 4096, 4096, 64, 64, DType::kF32}));
  check_golden("attention_bf16", cpu::attention({.heads = 16,
                                                 .queries = 256,
                                                 .keys = 4095,
                                                 .width = 64,
                                                 .query_tile = 64,
                                                 .dtype = DType::kBF16}));
  check_golden("norm_transformer_f32", cpu::norm_transformer(64, 4096, 1, DType::kF32));
}
