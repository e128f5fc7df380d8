// Block graphs on the CPU against the reference device, with whole and ragged tiles.
#include <cmath>

#include "exec/cpu/block_examples_test.h"
#include "exec/cpu/node_kernels_test.h"

using namespace lamina;
using namespace lamina::cpu;

namespace {

double bound(DType dtype) {
  return dtype == DType::kBF16 ? 0.01 : dtype == DType::kF16 ? 0.002 : 2e-5;
}

void compare(const Graph& graph, std::vector<Tensor> tensors = {}, const Sizes& sizes = {}) {
  Graph plain = graph;
  const Node& node = graph.node(graph.outputs[0].value);
  for (std::size_t i = 0; i < plain.inputs.size(); ++i) {
    const Type& type = graph.nodes[static_cast<std::size_t>(plain.inputs[i].node)].types[0];
    if (tensors.size() <= i) {
      tensors.push_back(
          random_tensor(type.dtype, evaluate(type.shape, sizes), static_cast<unsigned>(i) + 1));
    }
    plain.inputs[i].role = Role::kInput;
  }
  const std::vector<Tensor> want = compile(plain, ref_device())->run(tensors);
  NodeKernels kernels(graph, emit_block, tensors, sizes);
  std::vector<Tensor> got;
  for (const Tensor& tensor : kernels.run()) got.push_back(tensor.clone());
  INFO("grid ", to_string(node.attrs.dims("grid")), "\n", kernels.kernels()[0].text);
  for (std::size_t k = 0; k < want.size(); ++k) {
    CHECK(relative_error(got[k], want[k]) <= bound(want[k].dtype()));
  }
  const std::vector<Tensor>& again = kernels.run(1);
  for (std::size_t k = 0; k < want.size(); ++k) {
    CHECK(std::equal(got[k].data(), got[k].data() + got[k].bytes(), again[k].data()));
  }
}

Type f32(Dims shape) { return {DType::kF32, std::move(shape), {}}; }

}  // namespace

TEST_CASE("blocks with products of a constant weight") {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const LinearShape& s :
         {LinearShape{8, 128, 128, 64, 64, dtype}, LinearShape{3, 100, 96, 32, 32, dtype},
          LinearShape{17, 577, 1023, 64, 256, dtype}}) {
      compare(rms_norm_linear(s));
      compare(gated_mlp(s));
      compare(lora(s, 5));
    }
  }
}

TEST_CASE("attention with an online softmax") {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    compare(attention({.heads = 2, .queries = 32, .keys = 128, .dtype = dtype}));
    compare(attention({.heads = 3, .queries = 37, .keys = 199, .width = 24, .dtype = dtype}));
    compare(attention({.heads = 2, .queries = 1, .keys = 77, .query_tile = 4, .dtype = dtype}));
  }
}

TEST_CASE("a causal mask made from positions") {
  AttentionShape s{.heads = 2, .queries = 37, .keys = 37, .width = 24, .causal = true};
  const Graph graph = attention(s);
  std::vector<Tensor> tensors;
  for (unsigned i = 0; i < 3; ++i) {
    tensors.push_back(random_tensor(DType::kF32, {2, 37, 24}, i + 1));
  }
  std::vector<std::int64_t> positions(37);
  for (std::size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<std::int64_t>(i);
  tensors.push_back(Tensor::from_integers(DType::kI64, {37, 1}, positions));
  tensors.push_back(Tensor::from_integers(DType::kI64, {37}, positions));
  compare(graph, tensors);
}

TEST_CASE("blocks over rows, without products") {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    compare(norm_transformer(8, 128, 1, dtype));
    compare(norm_transformer(7, 1023, 3, dtype));
  }
}

TEST_CASE("folds over every axis, of whole and ragged tiles") {
  for (const char* fold : {"sum", "mean", "reduce_max", "reduce_min", "reduce_prod"}) {
    BlockBuilder b({1}, 1);
    const Value x = b.load("x", f32({5, 3, 19}), {-1}, -1, {5, 3, 19});
    for (const Dims& axes : {Dims{-1}, Dims{0}, Dims{1}, Dims{0, 2}, Dims{1, 2}, Dims{0, 1, 2}}) {
      for (const bool keep : {false, true}) {
        const Value y = b.op(fold, {x}, {{"axes", axes}, {"keepdims", keep}});
        const Dims shape = b.inner.type(y).shape;
        const Value s = b.state("s" + std::to_string(b.inner.nodes.size()), shape);
        b.inner.add_update(s, y);
        b.store(b.op("after", {s}), {-1}, shape);
      }
    }
    compare(b.build());
    BlockBuilder c({2}, 1);
    const Value y = c.load("y", f32({5, 11}), {0}, -1, {3, 11});
    const Value z = c.load("z", f32({11, 5}), {1}, -1, {11, 3});
    const Value s = c.state("s", {3});
    const Value rows = c.op(fold, {y}, {{"axes", Dims{1}}});
    const Value columns = c.op(fold, {z}, {{"axes", Dims{0}}});
    c.inner.add_update(s, c.op("add", {rows, columns}));
    c.store(c.op("after", {s}), {0}, {5});
    compare(c.build());
  }
}

TEST_CASE("folds along rows of all lengths") {
  for (const char* fold : {"sum", "mean", "reduce_max", "reduce_min", "reduce_prod"}) {
    for (const std::int64_t columns : {7, 32, 75, 200}) {
      BlockBuilder b({2}, 1);
      const Value x = b.load("x", f32({5, columns}), {0}, -1, {3, columns});
      const Value rows = b.op(fold, {x}, {{"axes", Dims{1}}, {"keepdims", true}});
      b.store(b.op("sub", {x, rows}), {0}, {5, columns});
      compare(b.build());
    }
  }
}

TEST_CASE("views of tiles: transposed, reshaped, broadcast, counted") {
  BlockBuilder b({3}, 2);
  const Value x = b.load("x", f32({10, 12}), {0}, 1, {4, 6});
  const Value y = b.load("y", f32({12, 10}), {1}, 0, {6, 4});
  const Value bias = b.load("bias", f32({1, 12}), {-1}, 1, {1, 6});
  const Value turned = b.op("transpose", {y});
  const Value mixed = b.op("mul", {b.op("add", {x, turned}), b.op("exp", {bias})});
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

TEST_CASE("scores of queries and keys, both in rows") {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    BlockBuilder b({2, 2}, 1);
    const Value q = b.load("q", {dtype, {13, 2, 21}, {}}, {0, 1}, -1, {7, 1, 21});
    const Value k = b.load("k", {dtype, {39, 2, 21}, {}}, {-1, 1}, -1, {39, 1, 21});
    const Value rows = b.op("transpose", {q}, {{"axes", Dims{1, 0, 2}}});
    const Value keys = b.op("transpose", {k}, {{"axes", Dims{1, 2, 0}}});
    b.store(b.op("matmul", {rows, keys}), {1, 0}, {2, 13, 39}, dtype);
    compare(b.build());
  }
}

TEST_CASE("second factors of many columns that are packed while running") {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    for (const std::int64_t columns : {64, 70, 150}) {
      BlockBuilder b({2}, 1);
      const Value x = b.load("x", {dtype, {13, 21}, {}}, {0}, -1, {7, 21});
      const Value w = b.load("w", {dtype, {21, columns}, {}}, {-1}, -1, {21, columns});
      b.store(b.op("matmul", {x, w}), {0}, {13, columns}, dtype);
      compare(b.build());
    }
  }
}

TEST_CASE("second factors that are read in strips, for any number of rows") {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const std::int64_t rows : {1, 2, 5, 11}) {
      BlockBuilder b({2}, 1);
      const Dim all = 2 * rows - rows / 2;  // the second tile is shorter
      const Value x = b.load("x", {dtype, {all, 150}, {}}, {0}, -1, {rows, 150});
      const Value w = b.load("w", {dtype, {150, 217}, {}}, {-1}, -1, {150, 217});
      const Value keys = b.load("keys", {dtype, {87, 150}, {}}, {-1}, -1, {87, 150});
      b.store(b.op("matmul", {x, w}), {0}, {all, 217}, dtype);
      b.store(b.op("matmul", {x, b.op("transpose", {keys})}), {0}, {all, 87}, dtype);
      compare(b.build());
    }
  }
}

TEST_CASE("batched products, and factors that are computed") {
  BlockBuilder b({2}, 1);
  const Value x = b.load("x", f32({2, 3, 7, 20}), {0}, -1, {1, 3, 7, 20});
  const Value w = b.load("w", f32({3, 20, 33}), {-1}, -1, {3, 20, 33});
  const Value c = b.load("c", f32({3, 20, 33}), {-1}, -1, {3, 20, 33}, true);
  const Value first = b.op("matmul", {b.op("sigmoid", {x}), b.op("tanh", {w})});
  const Value second = b.op("matmul", {x, c});
  const Value gram =
      b.op("matmul", {first, b.op("transpose", {second}, {{"axes", Dims{0, 1, 3, 2}}})});
  const Value s = b.state("s", {1, 3, 7, 7});
  b.inner.add_update(s, gram);
  b.store(b.op("after", {s}), {0}, {2, 3, 7, 7});
  compare(b.build());
}

TEST_CASE("softmax and layer arithmetic inside a block over named rows") {
  const Dim t = Dim::size("T");
  for (const std::int64_t rows : {1, 4, 13}) {
    BlockBuilder b({ceil_div(t, 4)}, 1);
    const Value x = b.load("x", f32({t, 70}), {0}, -1, {4, 70});
    const Value w = b.load("w", f32({70, 45}), {-1}, -1, {70, 45}, true);
    const Value z = b.op("matmul", {x, w});
    const Attrs last = {{"axes", Dims{-1}}, {"keepdims", true}};
    const Value e = b.op("exp", {b.op("sub", {z, b.op("reduce_max", {z}, last)})});
    const Value y = b.op("div", {e, b.op("sum", {e}, last)});
    const Value s = b.state("s", {4, 45});
    b.inner.add_update(s, y);
    b.store(b.op("after", {s}), {0}, {t, 45});
    compare(b.build({"T"}), {}, {{"T", rows}});
  }
}

TEST_CASE("slices of a table that indices name") {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    compare(gathered_rows(dtype),
            {random_tensor(dtype, {7, 19}, 1), gathered_ids(), random_tensor(dtype, {19, 6}, 2)});
  }
  compare(gathered_middle(), {random_tensor(DType::kF32, {4, 7, 8}, 3), gathered_middle_ids(),
                              random_tensor(DType::kF32, {4, 1, 1}, 4)});
}

TEST_CASE("every iteration stores its part of an output") {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    compare(scores_and_sums({2}, 8, 64, dtype));
    compare(scores_and_sums({3}, 9, 43, dtype));  // ragged rows and keys
  }
}

TEST_CASE("what a block cannot hold is refused by name") {
  BlockBuilder b({1}, 1);
  const Value x = b.load("x", f32({5, 3}), {-1}, -1, {5, 3});
  const Value s = b.state("s", {5, 3});
  b.inner.add_update(s, b.op("cumsum", {x}));
  b.store(b.op("after", {s}), {-1}, {5, 3});
  const Graph graph = b.build();
  std::vector<Type> types;
  const EmitContext context{view(graph, graph.node(graph.outputs[0].value), types),
                            {f32({5, 3})},
                            {false},
                            detect_target()};
  CHECK_THROWS_WITH_AS(emit_block(context), doctest::Contains("cumsum"), Error);
}
