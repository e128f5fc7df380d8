// Block kernels for GPUs, run in emulation on the CPU, against the reference device.
#include "exec/cpu/block_examples_test.h"
#include "exec/cuda/node_emulation_test.h"

using namespace lamina;
using namespace lamina::cuda;
using cpu::AttentionShape;
using cpu::BlockBuilder;
using cpu::LinearShape;

namespace {

Type f32(Dims shape) { return {DType::kF32, std::move(shape), {}}; }

}  // namespace

TEST_CASE("linear layers, loops over the depth") {
  compare(cpu::rms_norm_linear({8, 128, 128, 64, 64, DType::kBF16}));
  compare(cpu::gated_mlp({8, 128, 128, 64, 64, DType::kF16}));
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const LinearShape ragged{17, 77, 63, 24, 32, dtype};
    compare(cpu::rms_norm_linear(ragged));
    compare(cpu::gated_mlp(ragged));
    compare(cpu::lora(ragged, 5));
  }
}

TEST_CASE("attention with an online softmax") {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    compare(cpu::attention({.heads = 2, .queries = 32, .keys = 128, .dtype = dtype}));
    compare(cpu::attention({.heads = 3, .queries = 37, .keys = 199, .width = 24, .dtype = dtype}));
  }
  compare(cpu::attention({.heads = 2, .queries = 1, .keys = 77, .query_tile = 4}));
}

TEST_CASE("rows without products") {
  compare(cpu::norm_transformer(8, 128, 1, DType::kF32));
  compare(cpu::norm_transformer(7, 1023, 3, DType::kBF16));
}

TEST_CASE("a causal mask made from positions") {
  const AttentionShape s{.heads = 2, .queries = 37, .keys = 37, .width = 24, .causal = true};
  std::vector<Tensor> tensors;
  for (unsigned i = 0; i < 3; ++i) {
    tensors.push_back(random_tensor(DType::kF32, {2, 37, 24}, i + 1));
  }
  std::vector<std::int64_t> positions(37);
  for (std::size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<std::int64_t>(i);
  tensors.push_back(Tensor::from_integers(DType::kI64, {37, 1}, positions));
  tensors.push_back(Tensor::from_integers(DType::kI64, {37}, positions));
  compare(cpu::attention(s), tensors);
}

TEST_CASE("folds over every axis, of whole and ragged tiles") {
  BlockBuilder b({1}, 1), c({2}, 1);
  const Value x = b.load("x", f32({5, 3, 70}), {-1}, -1, {5, 3, 70});
  const Value y = c.load("y", f32({5, 11}), {0}, -1, {3, 11});
  const Value z = c.load("z", f32({11, 5}), {1}, -1, {11, 3});
  for (const char* fold : {"sum", "mean", "reduce_max", "reduce_min", "reduce_prod"}) {
    for (const Dims& axes : {Dims{-1}, Dims{0}, Dims{0, 2}, Dims{0, 1, 2}}) {
      const Value folded = b.op(fold, {x}, {{"axes", axes}, {"keepdims", true}});
      b.store(folded, {-1}, b.inner.type(folded).shape);
    }
    const Value rows = c.op(fold, {y}, {{"axes", Dims{1}}});
    const Value columns = c.op(fold, {z}, {{"axes", Dims{0}}});
    c.store(c.op("add", {rows, columns}), {0}, {5});
  }
  compare(b.build());
  compare(c.build());
}

TEST_CASE("views of tiles: transposed, reshaped, broadcast, counted") {
  BlockBuilder b({3}, 2);
  const Value x = b.load("x", f32({10, 12}), {0}, 1, {4, 6});
  const Value y = b.load("y", f32({12, 10}), {1}, 0, {6, 4});
  const Value bias = b.load("bias", f32({1, 12}), {-1}, 1, {1, 6});
  const Value mixed = b.op("mul", {b.op("add", {x, b.op("transpose", {y})}), b.op("exp", {bias})});
  const Value back = b.op("transpose", {b.op("tanh", {mixed})});
  const Value weights =
      b.op("cast", {b.op("iota", {}, {{"shape", Dims{6, 1}}})}, {{"dtype", DType::kF32}});
  const Value s = b.state("s", {1, 4});
  const Value product = b.op("mul", {back, b.op("reshape", {weights}, {{"shape", Dims{6, 1}}})});
  b.accumulate(s, b.op("sum", {product}, {{"axes", Dims{0}}, {"keepdims", true}}));
  const Value wide = b.op("transpose", {b.op("after", {s})});
  b.store(b.op("add", {wide, b.number(1.0)}), {0}, {10, 1});
  compare(b.build());
}

TEST_CASE("batched products, and factors that are computed") {
  BlockBuilder b({2}, 1);
  const Value x = b.load("x", f32({2, 3, 7, 20}), {0}, -1, {1, 3, 7, 20});
  const Value w = b.load("w", f32({3, 20, 33}), {-1}, -1, {3, 20, 33});
  const Value first = b.op("matmul", {b.op("sigmoid", {x}), b.op("tanh", {w})});
  const Value second = b.op("matmul", {x, w});
  const Value gram =
      b.op("matmul", {first, b.op("transpose", {second}, {{"axes", Dims{0, 1, 3, 2}}})});
  const Value s = b.state("s", {1, 3, 7, 7});
  b.inner.add_update(s, gram);
  b.store(b.op("after", {s}), {0}, {2, 3, 7, 7});
  compare(b.build());
}

TEST_CASE("products larger than the registers run in steps") {
  BlockBuilder b({1}, 1);
  const Value x = b.load("x", f32({50, 20}), {-1}, -1, {50, 20});
  const Value w = b.load("w", f32({20, 300}), {-1}, -1, {20, 300});
  b.store(b.op("matmul", {x, w}), {-1}, {50, 300});
  compare(b.build(), {}, {}, [](GpuMachine& machine) { machine.registers_per_thread = 32; });
}

TEST_CASE("factors that do not fit pass through buffers piece by piece") {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    BlockBuilder b({2, 3}, 1);
    const Value x = b.load("x", {dtype, {2, 19, 333}, {}}, {0, -1}, -1, {1, 19, 333});
    const Value w = b.load("w", {dtype, {2, 333, 64}, {}}, {0, 2}, -1, {1, 333, 24});
    const Value u = b.load("u", {dtype, {2, 64, 333}, {}}, {0, 1}, -1, {1, 24, 333});
    const Value turned = b.op("transpose", {u}, {{"axes", Dims{0, 2, 1}}});
    const Value sum = b.op("add", {b.op("matmul", {x, w}), b.op("matmul", {x, turned})});
    b.store(sum, {0, 2}, {2, 19, 64}, dtype);
    const auto small = [](GpuMachine& machine) { machine.shared_bytes_per_block = 36 << 10; };
    GpuMachine machine = test_machine();
    small(machine);
    const std::string text = emit_node(b.build(), machine)[0].text;
    INFO(text);
    CHECK(text.find(", buffer ^ 1)") != std::string::npos);
    compare(b.build(), {}, {}, small);
    compare(b.build(), {}, {}, [&](GpuMachine& m) {
      small(m);
      m.registers_per_thread = 8;
    });
  }
}

TEST_CASE("tiles that do not fit are read where they are, or named") {
  const LinearShape s{8, 128, 128, 64, 64, DType::kF32};
  compare(cpu::rms_norm_linear(s), {}, {},
          [](GpuMachine& machine) { machine.shared_bytes_per_block = 24 << 10; });
  compare(cpu::rms_norm_linear(s), {}, {},
          [](GpuMachine& machine) { machine.shared_bytes_per_block = 6 << 10; });
  CHECK_THROWS_WITH_AS(
      compare(cpu::rms_norm_linear(s), {}, {},
              [](GpuMachine& machine) { machine.shared_bytes_per_block = 1 << 10; }),
      doctest::Contains("bytes of shared memory"), Error);
}

TEST_CASE("rows of a named size") {
  const Dim t = Dim::size("T");
  for (const std::int64_t rows : {1, 4, 13}) {
    BlockBuilder b({ceil_div(t, 4)}, 1);
    const Value x = b.load("x", f32({t, 70}), {0}, -1, {4, 70});
    const Value w = b.load("w", f32({70, 45}), {-1}, -1, {70, 45}, true);
    const Value z = b.op("matmul", {x, w});
    const Attrs last = {{"axes", Dims{-1}}, {"keepdims", true}};
    const Value e = b.op("exp", {b.op("sub", {z, b.op("reduce_max", {z}, last)})});
    b.store(b.op("div", {e, b.op("sum", {e}, last)}), {0}, {t, 45});
    compare(b.build({"T"}), {}, {{"T", rows}});
  }
}

TEST_CASE("16-bit factors are read by ldmatrix, without conflicts of banks") {
  for (const DType dtype : {DType::kBF16, DType::kF16}) {
    for (const std::int64_t columns : {24, 64}) {
      // The first factor has its rows along the depth, of the second ones both are seen.
      BlockBuilder b({2}, 2);
      const Value x = b.load("x", {dtype, {19, 70}, {}}, {-1}, 1, {19, 40});
      const Value w = b.load("w", {dtype, {70, 77}, {}}, {1}, 0, {40, columns});
      const Value u = b.load("u", {dtype, {77, 70}, {}}, {0}, 1, {columns, 40});
      const Value s = b.state("s", {19, columns}), t = b.state("t", {19, columns});
      b.accumulate(s, b.op("matmul", {x, w}));
      b.accumulate(t, b.op("matmul", {x, b.op("transpose", {u})}));
      b.store(b.op("add", {b.op("after", {s}), b.op("after", {t})}), {1}, {19, 77});
      const Graph graph = b.build();
      const std::vector<Kernel> kernels = emit_node(graph, test_machine());
      for (const char* operand : {"lm_matrix<true>(", "lm_matrix<false>("}) {
        CHECK(kernels[0].text.find(operand) != std::string::npos);
      }
      CHECK(kernels[0].text.find("lm_operand(") == std::string::npos);
      compare(graph);
      std::vector<Tensor> tensors;
      for (unsigned i = 0; i < 3; ++i) {
        const Shape shape = evaluate(graph.type({graph.inputs[i].node, 0}).shape, {});
        tensors.push_back(random_tensor(dtype, shape, i));
      }
      long conflicts = -1;
      run_node(graph, kernels, tensors, {}, 1, &conflicts);
      CHECK(conflicts == 0);
    }
  }
}

TEST_CASE("without any one of its barriers a kernel computes something else") {
  const Graph graph = cpu::attention({.heads = 1, .queries = 20, .keys = 90, .key_tile = 32});
  std::vector<Tensor> tensors;
  for (unsigned i = 0; i < 3; ++i) {
    const auto& shape = graph.nodes[static_cast<std::size_t>(graph.inputs[i].node)].types[0].shape;
    tensors.push_back(random_tensor(DType::kF32, evaluate(shape, {}), i + 1));
  }
  const Tensor want = compile(graph, ref_device())->run(tensors)[0];
  const std::vector<Kernel> kernels = emit_node(graph, test_machine());
  const std::string barrier = "LM_SYNC();\n";
  int barriers = 0, needed = 0;
  for (std::size_t at = 0; (at = kernels[0].text.find(barrier, at)) != std::string::npos; ++at) {
    std::vector<Kernel> changed = kernels;
    changed[0].text.erase(at, barrier.size());
    bool differs = false;
    for (unsigned seed = 1; seed <= 4 && !differs; ++seed) {
      const Tensor got = run_node(graph, changed, tensors, {}, seed)[0];
      differs = !(cpu::relative_error(got, want) <= 2e-5);
    }
    ++barriers;
    needed += differs;
  }
  // One more than needed: nothing runs between the first iteration's barrier and the one before it.
  CHECK(barriers >= 6);
  CHECK(needed >= barriers - 2);
}

TEST_CASE("slices of a table that indices name") {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    compare(cpu::gathered_rows(dtype), {random_tensor(dtype, {7, 19}, 1), cpu::gathered_ids(),
                                        random_tensor(dtype, {19, 6}, 2)});
  }
  compare(cpu::gathered_middle(),
          {random_tensor(DType::kF32, {4, 7, 8}, 3), cpu::gathered_middle_ids(),
           random_tensor(DType::kF32, {4, 1, 1}, 4)});
}

TEST_CASE("every iteration stores its part of an output") {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    compare(cpu::scores_and_sums({2}, 8, 64, dtype));
    compare(cpu::scores_and_sums({3}, 9, 43, dtype));  // ragged rows and keys
  }
}

TEST_CASE("a state that is overwritten while its transpose is read is refused") {
  BlockBuilder b({1}, 2);
  const Value x = b.load("x", f32({20, 20}), {-1}, -1, {20, 20});
  const Value s = b.state("s", {20, 20}, 1.0);
  b.inner.add_update(s, b.op("add", {x, b.op("mul", {s, b.op("transpose", {s})})}));
  b.store(b.op("after", {s}), {-1}, {20, 20});
  CHECK_THROWS_WITH_AS(compare(b.build()), doctest::Contains("in another order"), Error);
}
