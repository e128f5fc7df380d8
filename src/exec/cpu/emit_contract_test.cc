// Contractions against the reference device: shapes with tails, all arithmetics, constant and
// computed operands, fixed and named sizes.
#include "exec/cpu/emit_contract.h"

#include "exec/cpu/node_kernels_test.h"

using namespace lamina;
using namespace lamina::cpu;

namespace {

struct Case {
  std::string op = "matmul";
  std::vector<Type> inputs;
  Attrs attrs;
  bool constant = false;  // the last input
  Sizes sizes;
  int vector_bytes = 0;  // 0: those of this machine
};

double bound(DType dtype) {
  return dtype == DType::kBF16 ? 0.01 : dtype == DType::kF16 ? 0.002 : 1e-5;
}

void compare(const Case& test) {
  Graph graph;
  std::vector<Value> values;
  std::vector<Tensor> tensors, given;
  for (const auto& [name, value] : test.sizes) graph.sizes.push_back({name});
  for (std::size_t i = 0; i < test.inputs.size(); ++i) {
    const Type& type = test.inputs[i];
    const bool constant = test.constant && i + 1 == test.inputs.size();
    const std::string name = "x" + std::to_string(i);
    tensors.push_back(
        random_tensor(type.dtype, evaluate(type.shape, test.sizes), static_cast<unsigned>(i) + 1));
    if (constant) {
      values.push_back(graph.add_weight(name, tensors.back()));
    } else {
      values.push_back(graph.add_input(name, type));
      given.push_back(tensors.back());
    }
  }
  graph.add_output("y", graph.add(test.op, values, test.attrs));
  const Tensor want = compile(graph, ref_device())->run(given).at(0);
  Target target = detect_target();
  if (test.vector_bytes > 0) target.vector_bytes = test.vector_bytes;
  NodeKernels kernels(graph, emit_contract, tensors, test.sizes, target);
  const Tensor got = kernels.run()[0].clone();
  INFO(test.op, " ", to_string(test.inputs[0]), " ", to_string(test.inputs[1]), " constant ",
       test.constant, "\n", kernels.kernels()[0].text);
  CHECK(relative_error(got, want) <= bound(want.dtype()));
  const Tensor& again = kernels.run(1)[0];
  CHECK(std::equal(got.data(), got.data() + got.bytes(), again.data()));
}

Type of(DType dtype, Dims shape) { return {dtype, std::move(shape), {}}; }
Type f32(Dims shape) { return of(DType::kF32, std::move(shape)); }

}  // namespace

TEST_CASE("matrix products with constant and computed weights") {
  for (const bool constant : {false, true}) {
    for (const std::int64_t m : {1, 3, 5, 8, 17, 200}) {
      compare({.inputs = {f32({m, 70}), f32({70, 83})}, .constant = constant});
    }
    compare({.inputs = {f32({6, 577}), f32({577, 1023})}, .constant = constant});
    compare({.inputs = {f32({2, 1, 5, 9}), f32({3, 9, 20})}, .constant = constant});
    compare({.inputs = {f32({2, 7, 9}), f32({9, 20})}, .constant = constant});
    compare({.inputs = {f32({9}), f32({9, 20})}, .constant = constant});
    compare({.inputs = {f32({20, 9}), f32({9})}, .constant = constant});
    compare({.inputs = {f32({200}), f32({200})}, .constant = constant});
  }
}

TEST_CASE("matrix products of every element type") {
  for (const DType dtype :
       {DType::kBF16, DType::kF16, DType::kF64, DType::kI64, DType::kI32, DType::kI8, DType::kU8}) {
    for (const bool constant : {false, true}) {
      compare({.inputs = {of(dtype, {9, 70}), of(dtype, {70, 83})}, .constant = constant});
      compare({.inputs = {of(dtype, {1, 70}), of(dtype, {70, 83})}, .constant = constant});
    }
  }
  compare({.inputs = {f32({9, 70}), of(DType::kBF16, {70, 83})}, .constant = true});
  compare({.inputs = {of(DType::kBF16, {9, 70}), f32({70, 83})}, .constant = true});
  compare({.inputs = {of(DType::kI32, {9, 70}), f32({70, 83})}});
}

TEST_CASE("whole panels, narrow ones, rows beside each other and apart, pages") {
  const Dim t = Dim::size("T");
  for (const bool constant : {false, true}) {
    for (const std::int64_t n : {5, 8, 16, 22, 24, 72, 96}) {
      for (const std::int64_t m : {1, 4, 97, 201}) {
        compare({.inputs = {f32({m, 31}), f32({31, n})}, .constant = constant});
      }
      for (const std::int64_t value : {1, 67}) {
        compare({.inputs = {f32({2, t, 3, 30}), f32({30, n})},
                 .constant = constant,
                 .sizes = {{"T", value}}});
      }
      compare(
          {.inputs = {of(DType::kBF16, {7, 30}), of(DType::kBF16, {30, n})}, .constant = constant});
    }
    compare({.inputs = {f32({11, 1024}), f32({1024, 32})}, .constant = constant});
    compare({.inputs = {f32({11, 500}), f32({500, 32})}, .constant = constant});
    compare({.inputs = {f32({11, 0}), f32({0, 32})}, .constant = constant});
    for (const char* equation : {"bhqd,dn->bqhn", "qhbd,dn->hqbn"}) {
      compare({.op = "einsum",
               .inputs = {f32({2, 3, 9, 70}), f32({70, 32})},
               .attrs = {{"equation", equation}},
               .constant = constant});
    }
  }
}

TEST_CASE("columns that lie along the sum") {
  const Attrs rows_by_rows = {{"equation", "bik,bjk->bij"}};
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    for (const std::int64_t k : {3, 8, 21, 64, 100}) {
      for (const std::int64_t j : {5, 16, 39}) {
        compare({.op = "einsum",
                 .inputs = {of(dtype, {2, 9, k}), of(dtype, {2, j, k})},
                 .attrs = rows_by_rows});
      }
    }
  }
  for (const int bytes : {16, 32, 64}) {
    if (bytes > detect_target().vector_bytes) continue;
    compare({.op = "einsum",
             .inputs = {f32({2, 9, 53}), f32({2, 71, 53})},
             .attrs = rows_by_rows,
             .vector_bytes = bytes});
  }
  const Dim t = Dim::size("T");
  for (const std::int64_t value : {1, 7, 33}) {
    compare({.op = "einsum",
             .inputs = {f32({2, t, 12}), f32({2, t, 12})},
             .attrs = rows_by_rows,
             .sizes = {{"T", value}}});
  }
}

TEST_CASE("named sizes in every place of a product") {
  const Dim t = Dim::size("T");
  for (const std::int64_t value : {1, 7, 130, 400}) {
    const Sizes sizes = {{"T", value}};
    compare({.inputs = {f32({t, 70}), f32({70, 83})}, .constant = true, .sizes = sizes});
    compare({.inputs = {f32({t, 70}), f32({70, 83})}, .sizes = sizes});
    compare({.inputs = {f32({5, t}), f32({t, 33})}, .sizes = sizes});
    compare({.inputs = {f32({5, 40}), f32({40, t})}, .sizes = sizes});
    compare({.inputs = {f32({t, 5, 6}), f32({t, 6, 7})}, .sizes = sizes});
  }
}

TEST_CASE("convolutions as products over windows") {
  const Attrs padded = {{"pads_low", Dims{1, 1}}, {"pads_high", Dims{1, 1}}};
  Attrs strided = padded;
  strided.set("strides", Dims{2, 2});
  Attrs dilated = padded;
  dilated.set("dilations", Dims{2, 1});
  for (const Attrs& attrs : {padded, strided, dilated}) {
    for (const bool constant : {false, true}) {
      compare({.op = "grouped_conv",
               .inputs = {f32({2, 1, 8, 20, 23}), f32({1, 17, 8, 3, 3})},
               .attrs = attrs,
               .constant = constant});
    }
    compare({.op = "grouped_conv",
             .inputs = {f32({1, 8, 1, 20, 23}), f32({8, 1, 1, 3, 3})},
             .attrs = attrs});
    compare({.op = "grouped_conv",
             .inputs = {of(DType::kBF16, {1, 2, 3, 9, 40}), of(DType::kBF16, {2, 6, 3, 3, 3})},
             .attrs = attrs,
             .constant = true});
  }
  const Dim t = Dim::size("T");
  for (const std::int64_t value : {5, 33}) {
    compare({.op = "grouped_conv",
             .inputs = {f32({2, 1, 6, t}), f32({1, 9, 6, 3})},
             .attrs = {{"pads_low", Dims{1}}, {"pads_high", Dims{1}}},
             .constant = true,
             .sizes = {{"T", value}}});
  }
}

TEST_CASE("einsums with repeated, missing and many indices") {
  const auto einsum = [](const char* equation, std::vector<Type> inputs) {
    compare({.op = "einsum", .inputs = std::move(inputs), .attrs = {{"equation", equation}}});
  };
  einsum("bqhd,bkhd->bhqk", {f32({2, 9, 3, 20}), f32({2, 21, 3, 20})});
  einsum("bhqk,bkhd->bqhd", {f32({2, 3, 9, 21}), f32({2, 21, 3, 20})});
  einsum("bhqk,bkhd->bqhd", {f32({2, 3, 9, 21}), f32({2, 21, 3, 32})});
  einsum("ij,jk,kl->il", {f32({5, 6}), f32({6, 7}), f32({7, 19})});
  einsum("iij,jk->ik", {f32({6, 6, 30}), f32({30, 19})});
  einsum("ij,kl->jl", {f32({6, 30}), f32({5, 19})});
}
