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

TEST_CASE("kernels outside blocks") {
  const auto check_text = [](const std::string& name, std::string_view text) {
    check_golden(name, parse_graph(fmt::format("lamina 1\ngraph g{}", text)));
  };
  check_text("top_k_bf16", "(x: bf16[16, 32000]) {\n  return top_k(x, k=[8], axis=1)\n}");
  check_text("sort_f32", "(x: f32[16, 1000]) {\n  return sort(x, axis=1)\n}");
  check_text("sort_long_lines_f32", "(x: f32[16, 50000]) {\n  return sort(x, axis=1)\n}");
  check_text("scatter_add_f32",
             "(x: f32[100, 64], i: i64[30], u: f32[30, 64]) {\n"
             "  return scatter(x, i, u, combine=\"add\")\n}");
  check_text("fold_f32",
             "(x: f32[2, 3, 8, 3]) {\n  return fold(x, window=[3], strides=[2], extents=[17])\n}");
}
