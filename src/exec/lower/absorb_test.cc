// Transposes around products and blocks: which stay, and that the results are the same.
#include "exec/lower/absorb.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "exec/cpu/node_kernels_test.h"
#include "graph/simplify.h"
#include "lamina/device.h"

using namespace lamina;

namespace {

int count(const Graph& graph, std::string_view op) {
  return static_cast<int>(std::count_if(graph.nodes.begin(), graph.nodes.end(),
                                        [&](const Node& node) { return node.op->name == op; }));
}

Graph absorbed(const Graph& graph) { return lower::absorb_transposes(simplify(graph)); }

Value turn(Graph& graph, Value x, Dims axes) {
  return graph.add("transpose", {x}, {{"axes", std::move(axes)}});
}

// [rows, heads, size] each; the heads side by side at the end, as [rows, heads, size].
Graph attention(DType dtype, const Dim& rows, const Dim& keys) {
  Graph graph;
  for (const Dim& dim : {rows, keys}) {
    if (!dim.is_constant()) graph.sizes.push_back({dim.to_string(), 1, 64});
  }
  const Value q = graph.add_input("q", {dtype, {rows, 3, 20}, {}});
  const Value k = graph.add_input("k", {dtype, {keys, 3, 20}, {}});
  const Value v = graph.add_input("v", {dtype, {keys, 3, 20}, {}});
  const Value by_head = turn(graph, turn(graph, k, {1, 0, 2}), {0, 2, 1});
  const Value scores = graph.add("matmul", {turn(graph, q, {1, 0, 2}), by_head});
  const Value weights = graph.add("softmax", {scores}, {{"axis", -1}});
  const Value mixed = graph.add("matmul", {weights, turn(graph, v, {1, 0, 2})});
  const Value joined = turn(graph, mixed, {1, 0, 2});
  graph.add_output("y", graph.add("neg", {joined}));
  return graph;
}

// The attention of a block over heads, with all that is around it.
Graph block_attention(DType dtype, const Dim& rows, const Dim& keys) {
  Graph graph;
  for (const Dim& dim : {rows, keys}) {
    if (!dim.is_constant()) graph.sizes.push_back({dim.to_string(), 1, 64});
  }
  const Value q = graph.add_input("q", {dtype, {rows, 3, 20}, {}});
  const Value k = graph.add_input("k", {dtype, {keys, 3, 20}, {}});
  const Value v = graph.add_input("v", {dtype, {keys, 3, 20}, {}});
  const std::vector<Value> inputs = {turn(graph, q, {1, 0, 2}), turn(graph, k, {1, 2, 0}),
                                     turn(graph, v, {1, 0, 2})};
  Graph inner;
  inner.level = Level::kBlock;
  inner.sizes = graph.sizes;
  std::vector<Value> loads;
  const std::vector<Dims> tiles = {{1, 8, 20}, {1, 20, keys}, {1, keys, 20}};
  for (std::size_t i = 0; i < 3; ++i) {
    const Value whole = inner.add_input("x" + std::to_string(i), graph.type(inputs[i]));
    const Dims grid = i == 0 ? Dims{0, 1} : Dims{0, -1};
    loads.push_back(inner.add("load", {whole}, {{"grid", grid}, {"tile", tiles[i]}}));
  }
  const Value scores = inner.add("matmul", {inner.add("sin", {loads[0]}), loads[1]});
  const Value y = inner.add("matmul", {inner.add("tanh", {scores}), loads[2]});
  inner.add_output("y", inner.add("store", {inner.add("neg", {y})},
                                  {{"grid", Dims{0, 1}}, {"shape", Dims{3, rows, 20}}}));
  const Value mixed = graph.add(
      "block", inputs, {{"grid", Dims{3, ceil_div(rows, 8)}}, {"loop", Dims{1}}}, "", {inner});
  graph.add_output("y", graph.add("neg", {turn(graph, mixed, {1, 0, 2})}));
  return graph;
}

void compare(const Graph& graph, const Sizes& sizes) {
  std::vector<Tensor> inputs;
  for (const Input& input : graph.inputs) {
    const Type& type = graph.nodes[static_cast<std::size_t>(input.node)].types[0];
    inputs.push_back(cpu::random_tensor(type.dtype, evaluate(type.shape, sizes),
                                        static_cast<unsigned>(inputs.size()) + 1));
  }
  const Tensor want = compile(graph, find_device("ref"))->run(inputs).at(0);
  const auto program = compile(graph, find_device("cpu"));
  const Tensor got = program->run(inputs).at(0);
  CHECK(program->stats().fallbacks == 0);
  const double bound = want.dtype() == DType::kF32   ? 1e-5
                       : want.dtype() == DType::kF16 ? 3e-3
                                                     : 0.02;
  CHECK(cpu::relative_error(got, want) <= bound);
  for (const StepTime& step : program->profile(inputs)) CHECK(step.op != "transpose");
}

}  // namespace

TEST_CASE("attention over heads that lie side by side copies nothing") {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    compare(attention(dtype, 9, 21), {});
    compare(block_attention(dtype, 9, 21), {});
  }
  const Graph named = attention(DType::kF32, Dim::size("R"), Dim::size("K"));
  const Graph block = block_attention(DType::kF32, Dim::size("R"), Dim::size("K"));
  for (const std::int64_t rows : {1, 8, 13}) {
    compare(named, {{"R", rows}, {"K", 17}});
    compare(block, {{"R", rows}, {"K", 17}});
  }
}

TEST_CASE("transposes that must stay") {
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {4, 6}, {}});
  const Value w = graph.add_weight(
      "w", Tensor::from_doubles(DType::kF32, {5, 6}, std::vector<double>(30, 0.5)));
  const Value turned = turn(graph, x, {1, 0});
  // Rows of a first factor would be gathered element by element.
  graph.add_output("a", graph.add("matmul", {turned, x}));
  // Done once, at load.
  graph.add_output("b", graph.add("matmul", {x, turn(graph, w, {1, 0})}));
  // An output of its own.
  const Value square = graph.add("matmul", {x, turned});
  graph.add_output("c", square);
  graph.add_output("d", turn(graph, square, {1, 0}));
  CHECK(count(absorbed(graph), "transpose") == 3);
}

TEST_CASE("convolutions keep their layout") {
  const Type image{DType::kF32, {1, 4, 5, 3}, {}};
  Graph inner;
  inner.level = Level::kBlock;
  const Value whole = inner.add_input("x", image);
  const Value filters = inner.add_input("w", {DType::kF32, {3, 3, 1, 1}, {}});
  const auto load = [&](Value value, const Dims& tile) {
    return inner.add("load", {value}, {{"grid", Dims{-1}}, {"tile", tile}});
  };
  const Value sums =
      inner.add("conv_last", {load(whole, image.shape), load(filters, {3, 3, 1, 1})});
  inner.add_output("y", inner.add("store", {sums}, {{"grid", Dims{-1}}, {"shape", image.shape}}));
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {1, 3, 4, 5}, {}});
  const Value w = graph.add_weight(
      "w", Tensor::from_doubles(DType::kF32, {3, 3, 1, 1}, std::vector<double>(9, 0.5)));
  const Value block =
      graph.add("block", {turn(graph, x, {0, 2, 3, 1}), w}, {{"grid", Dims{1}}}, "fused", {inner});
  graph.add_output("y", graph.add("exp", {turn(graph, block, {0, 2, 1, 3})}));
  CHECK(count(absorbed(graph), "transpose") == 2);
}

TEST_CASE("a transpose is kept for the reader that needs it, and gone where all can do without") {
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {4, 6}, {}});
  const Value y = graph.add_input("y", {DType::kF32, {5, 6}, {}});
  graph.add_output("a", graph.add("matmul", {x, turn(graph, y, {1, 0})}));
  CHECK(count(absorbed(graph), "transpose") == 0);
  CHECK(count(absorbed(graph), "einsum") == 1);
  graph.add_output("b", graph.add("exp", {turn(graph, y, {1, 0})}));
  CHECK(count(absorbed(graph), "transpose") == 1);
  CHECK(count(absorbed(graph), "matmul") == 1);
}
