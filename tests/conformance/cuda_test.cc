// CUDA kernels, in emulation on the CPU, against the reference device: every operator that has
// one outside blocks, and the six programs as blocks.
#include "lamina/cuda.h"

#include <set>

#include "base/files.h"
#include "cases.h"
#include "exec/cuda/emulated_gpu_test.h"
#include "exec/cuda/toolkit.h"
#include "graph/tolerance.h"
#include "lamina/bench.h"
#include "search/partition.h"
#include "search/tiling.h"

using namespace lamina;
using namespace lamina::conformance;
using cuda::CudaProgram;
using cuda::EmulatedGpu;

namespace {

std::shared_ptr<cuda::Gpu> gpu(unsigned seed = 1) {
  return std::make_shared<EmulatedGpu>(cuda::test_machine(), seed);
}

// One of the six programs with other sizes.
struct Source {
  const char* name;
  const char* text;
  std::vector<search::Tiling> tilings;
};

const std::vector<Source> kPrograms = {
    {"rms_norm_linear",
     R"((x: T[13, 70], weight w: T[70, 45]) {
  return matmul(rms_norm(x, axes=[-1], epsilon=1e-6), w)
})",
     {{{0, 24}, 0}, {{5, 16}, 0}}},
    {"gated_mlp",
     R"((x: T[9, 67], weight w1: T[67, 41], weight w2: T[67, 41]) {
  return silu(matmul(x, w1)) * matmul(x, w2)
})",
     {{{0, 16}, 0}, {{4, 24}, 0}}},
    {"gqa",
     R"((q: T[2, 21, 20], k: T[2, 20, 75], v: T[2, 75, 20]) {
  return matmul(softmax(matmul(q, k) * 0.125, axis=-1), v)
})",
     {{{1, 16, 0}, 32}, {{1, 7, 0}, 0}}},
    {"qk_norm_gqa",
     R"((q: T[2, 21, 20], k: T[2, 20, 75], v: T[2, 75, 20]) {
  s = matmul(rms_norm(q, axes=[-1]), rms_norm(k, axes=[1])) * 0.125
  return matmul(softmax(s, axis=-1), v)
})",
     {{{1, 16, 0}, 32}}},
    {"lora",
     R"((x: T[11, 66], weight w: T[66, 50], weight a: T[66, 4], weight b: T[4, 50]) {
  return matmul(x, w) + matmul(matmul(x, a), b)
})",
     {{{0, 32}, 0}, {{8, 16}, 0}}},
    {"norm_transformer",
     R"((h: T[7, 301], x: T[7, 301], alpha: T[7, 301]) {
  return rms_norm(x + alpha * (rms_norm(h) + x))
})",
     {{{2, 0}, 0}, {{1, 0}, 0}}},
};

Graph parse(const Source& program, std::string_view dtype) {
  std::string text = program.text;
  for (std::size_t at = 0; (at = text.find(": T[", at)) != std::string::npos;) {
    text.replace(at + 2, 1, dtype);
  }
  return parse_graph(fmt::format("lamina 1\ngraph {}{}", program.name, text));
}

}  // namespace

TEST_CASE("operators outside blocks") {
  std::mt19937_64 random(5);
  const std::vector<Case> cases = all_cases();
  Graph graph;
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    add_case(graph, cases[i], fmt::format("x{}_", i));
    for (Tensor& input : random_inputs(cases[i], random)) inputs.push_back(std::move(input));
  }
  const std::vector<Tensor> want = run_reference(graph, inputs);
  const std::vector<Tensor> got = CudaProgram(graph, gpu()).run(inputs);
  std::size_t k = 0;
  for (const Case& each : cases) {
    const Graph alone = graph_of(each);
    for (std::size_t i = 0; i < alone.outputs.size(); ++i, ++k) {
      const auto wrong = difference(got[k], want[k], tolerance(alone));
      CHECK_MESSAGE(!wrong, each.name, ": ", wrong.value_or(""));
    }
  }
}

TEST_CASE("the six programs in the tilings of the search compile for sm_80 and sm_90") {
  const auto nvcc = cuda::find_nvcc();
  if (!nvcc) {
    MESSAGE("skipped: there is no nvcc in PATH or /usr/local/cuda/bin");
    return;
  }
  std::vector<cuda::Kernel> kernels;
  for (const Source& program : kPrograms) {
    for (const char* dtype : {"f32", "bf16"}) {
      const Graph whole = search::prepare(parse(program, dtype));
      const auto tiled = search::tile_program(whole, program.tilings[0]);
      REQUIRE(tiled.has_value());
      for (auto& use : cuda::emit_graph(*tiled, cuda::test_machine()).kernels) {
        use.kernel.name += fmt::format("_{}", kernels.size());
        kernels.push_back(std::move(use.kernel));
      }
    }
  }
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("lamina_cubins_{}", getuid());
  for (const int sm : {80, 90}) {
    CHECK(cuda::compile_cubin(*nvcc, cuda::translation_unit(kernels), sm, folder.string()).size() >
          1000);
  }
}

TEST_CASE("the six programs in the tilings of the search, fp32 and bf16") {
  for (const Source& program : kPrograms) {
    for (const char* dtype : {"f32", "bf16"}) {
      const Graph whole = search::prepare(fill_weights(parse(program, dtype), 3));
      const std::vector<Tensor> inputs = lamina::random_inputs(whole, {}, 7);
      const std::vector<Tensor> want = run_reference(whole, inputs);
      for (const search::Tiling& tiling : program.tilings) {
        INFO(program.name, " ", dtype, " ", search::to_string(tiling));
        const auto tiled = search::tile_program(whole, tiling);
        REQUIRE(tiled.has_value());
        const std::vector<Tensor> got = CudaProgram(*tiled, gpu(2)).run(inputs);
        const auto wrong = difference(got[0], want[0], tolerance(whole));
        CHECK_MESSAGE(!wrong, wrong.value_or(""));
      }
    }
  }
}

TEST_CASE("loops split over the grid: both kernels") {
  for (const char* text :
       {"deep(x: bf16[3, 4099], weight w: bf16[4099, 40]) {\n  return matmul(x, w)\n}",
        "deep(x: f32[5, 2048], weight w: f32[2048, 33]) {\n  return silu(matmul(x, w))\n}",
        "decode(q: bf16[2, 1, 64], k: bf16[2, 64, 2000], v: bf16[2, 2000, 64]) {\n"
        "  return matmul(softmax(matmul(q, k) * 0.125, axis=-1), v)\n}"}) {
    INFO(text);
    const Graph graph = fill_weights(parse_graph(fmt::format("lamina 1\ngraph {}", text)), 3);
    const CudaResult chosen = optimize_for_cuda(graph, {});
    REQUIRE(chosen.regions.size() == 1);
    CHECK(chosen.regions[0].choice.find(" parts") != std::string::npos);
    CHECK(chosen.kernels == 2);
    const std::vector<Tensor> inputs = lamina::random_inputs(graph, {}, 7);
    const std::vector<Tensor> want = run_reference(graph, inputs);
    const std::vector<Tensor> got = CudaProgram(chosen.graph, gpu(4)).run(inputs);
    const auto wrong = difference(got[0], want[0], tolerance(graph));
    CHECK_MESSAGE(!wrong, wrong.value_or(""));
  }
}

// What `lamina optimize --target cuda:sm_90` chooses, at the shapes of examples/programs.
TEST_CASE("programs at full shape, as they are chosen" * doctest::test_suite("slow")) {
  for (const char* name : {"lora", "lora_bf16", "norm_transformer", "norm_transformer_bf16",
                           "gated_mlp_bf16", "rms_norm_linear_bf16"}) {
    INFO(name);
    const std::string path = fmt::format("examples/programs/{}.lam", name);
    const Graph graph = fill_weights(parse_graph(read_file(path), path), 3);
    const CudaResult chosen = optimize_for_cuda(graph, {});
    const std::vector<Tensor> inputs = lamina::random_inputs(graph, {}, 7);
    const std::vector<Tensor> want = run_reference(graph, inputs);
    const std::vector<Tensor> got = CudaProgram(chosen.graph, gpu(3)).run(inputs);
    const auto wrong = difference(got[0], want[0], tolerance(graph));
    CHECK_MESSAGE(!wrong, wrong.value_or(""));
  }
}
