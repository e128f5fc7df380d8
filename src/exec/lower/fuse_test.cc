// Fused graphs compute what the graphs did: exactly on the reference device, and within rounding as
// compiled; on random graphs with every kind of axis, broadcast and sum.
#include "exec/lower/fuse.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "base/temporary_folder.h"
#include "graph/random_graph.h"
#include "graph/simplify.h"
#include "lamina/bench.h"
#include "lamina/device.h"

using namespace lamina;
using namespace lamina::lower;

namespace {

std::int64_t chains_in(const Graph& graph) {
  return std::count_if(graph.nodes.begin(), graph.nodes.end(),
                       [](const Node& node) { return op_name(node) == "thread"; });
}

void check_same(const Graph& graph, const Graph& fused, const Sizes& sizes, bool compiled) {
  validate(fused);
  const std::vector<Tensor> inputs = random_inputs(graph, sizes, 5);
  const std::vector<Tensor> want = compile(graph, find_device("ref"))->run(inputs);
  const std::vector<Tensor> same = compile(fused, find_device("ref"))->run(inputs);
  for (std::size_t i = 0; i < want.size(); ++i) {
    const std::vector<double> a = want[i].to_doubles(), b = same[i].to_doubles();
    CHECK((a == b || std::any_of(a.begin(), a.end(), [](double x) { return std::isnan(x); })));
  }
  if (!compiled) return;
  const TemporaryFolder cache;
  const auto program =
      compile(fused, find_device("cpu"), {.threads = 2, .cache_dir = cache.path()});
  CHECK(program->stats().fallbacks == 0);
  const std::vector<Tensor> got = program->run(inputs);
  for (std::size_t i = 0; i < want.size(); ++i) {
    const std::vector<double> a = want[i].to_doubles(), b = got[i].to_doubles();
    double largest = 1e-6, worst = 0.0;
    for (const double x : a) largest = std::max(largest, std::abs(x));
    for (std::size_t e = 0; e < a.size(); ++e) worst = std::max(worst, std::abs(a[e] - b[e]));
    CAPTURE(fused.outputs[i].name);
    CHECK(worst <= 1e-5 * largest);
  }
}

// A graph of element-wise operators over [N, 5, 3, 19] or so, whose operands repeat along any axes,
// and of sums over any axes that come back.
class RandomChains {
 public:
  RandomChains(Rng& rng, bool named) : rng_(rng) {
    if (named) graph_.sizes = {{"N", 1, 64}};
    const std::int64_t width = rng.chance(0.5) ? rng.integer(1, 9) : rng.integer(10, 40);
    shape_ = {named ? Dim::size("N") : Dim(rng.integer(1, 4)), rng.integer(1, 200), 3, width};
    for (int i = 0; i < 3; ++i) values_.push_back(graph_.add_input("x", f32(shape_)));
    for (int i = 0; i < 4; ++i) values_.push_back(graph_.add_input("r", f32(repeated())));
  }

  Graph make() {
    for (int i = 0; i < 25; ++i) step();
    for (int i = 0; i < 4; ++i) graph_.add_output("y" + std::to_string(i), pick());
    graph_.add_output("last", whole(values_.back()));
    return std::move(graph_);
  }

 private:
  static Type f32(Dims shape) { return {DType::kF32, std::move(shape), {}}; }
  Value pick() {
    return values_[static_cast<std::size_t>(rng_.integer(0, std::ssize(values_) - 1))];
  }

  Dims repeated() {
    Dims shape = shape_;
    for (std::size_t a = 0; a < shape.size(); ++a) {
      if (rng_.chance(0.5)) shape[a] = 1;
    }
    while (shape[0] == Dim(1) && shape.size() > 1 && rng_.chance(0.5)) shape.erase(shape.begin());
    return shape;
  }

  Value whole(Value v) { return graph_.add("add", {v, values_[0]}); }

  void step() {
    const std::int64_t kind = rng_.integer(0, 6);
    if (kind == 0) {
      values_.push_back(graph_.add("tanh", {pick()}));
    } else if (kind == 1) {
      const Value low = graph_.add("greater", {pick(), graph_.constant(0.1)});
      values_.push_back(graph_.add("select", {low, pick(), pick()}));
    } else if (kind == 2 || kind == 3) {
      Dims axes;
      for (std::int64_t a = 0; a < 4; ++a) {
        if (rng_.chance(0.5)) axes.push_back(a);
      }
      if (axes.empty()) axes = {3};
      const Value sums = graph_.add("sum", {whole(pick())}, {{"axes", axes}, {"keepdims", true}});
      values_.push_back(graph_.add("mul", {sums, graph_.constant(0.01)}));
    } else if (kind == 4) {
      values_.push_back(graph_.add("broadcast", {pick()}, {{"shape", shape_}}));
    } else {
      values_.push_back(graph_.add(kind == 5 ? "mul" : "sub", {pick(), pick()}));
    }
  }

  Rng& rng_;
  Graph graph_;
  Dims shape_;
  std::vector<Value> values_;
};

}  // namespace

TEST_CASE("random chains compute the same, fused and compiled") {
  Rng rng(3);
  std::int64_t chains = 0;
  for (int i = 0; i < 12; ++i) {
    CAPTURE(i);
    const bool named = i % 3 == 0;
    const Graph graph = simplify(RandomChains(rng, named).make());
    const Graph fused = fuse_chains(graph);
    chains += chains_in(fused);
    CHECK(fused.nodes.size() < graph.nodes.size());
    check_same(graph, fused, named ? Sizes{{"N", 3}} : Sizes{}, true);
  }
  CHECK(chains > 20);
}

TEST_CASE("gradients of random networks compute the same when fused") {
  Rng rng(7);
  for (int i = 0; i < 15; ++i) {
    Graph graph = random_graph(rng, {.max_rows = 6, .max_width = 20});
    graph = fill_weights(graph, 1);
    std::vector<Value> weights;
    for (const Input& input : graph.inputs) {
      if (input.role == Role::kWeight) weights.push_back({input.node, 0});
    }
    const Graph steps = simplify(gradient(graph, weights));
    const Graph fused = fuse_chains(steps);
    CHECK(chains_in(fused) > 0);
    check_same(steps, fused, {}, false);
  }
}

TEST_CASE("a norm and what follows is three passes: mean, variance, the rest") {
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {64, 256}, {}});
  graph.add_output("y", graph.add("relu", {graph.add("layer_norm", {x})}));
  const Graph fused = fuse_chains(simplify(graph));
  std::int64_t whole = 0;
  for (const Node& node : fused.nodes) {
    if (op_name(node) == "input") continue;
    for (const Value& v : node.inputs) whole += fused.type(v).shape == Dims{64, 256} ? 1 : 0;
  }
  CHECK(chains_in(fused) >= 2);
  CHECK(whole <= 4);
  check_same(graph, fused, {}, true);
}

TEST_CASE("sums over axes of one element are written, with other results or alone") {
  const Graph graph = parse_graph(R"(lamina 1
graph one(x: f32[1, 1], row: f32[1, 9]) {
  square = mul(x, x)
  negative = neg(square)
  all = sum(negative)
  twice = add(row, row)
  gradient = exp(twice)
  bias = sum(gradient, axes=[0])
  return all, gradient, bias
}
)");
  const Graph fused = fuse_chains(simplify(graph));
  CHECK(chains_in(fused) == 2);
  check_same(graph, fused, {}, true);
}

TEST_CASE("what depends on weights alone, integers and other types stays as it is") {
  Graph graph;
  const Value w = graph.add_input("w", {DType::kF32, {8}, {}}, Role::kWeight);
  const Value x = graph.add_input("x", {DType::kF64, {8}, {}});
  const Value i = graph.add_input("i", {DType::kI64, {8}, {}});
  graph.add_output("a", graph.add("tanh", {graph.add("mul", {w, w})}));
  graph.add_output("b", graph.add("tanh", {graph.add("mul", {x, x})}));
  graph.add_output("c", graph.add("add", {graph.add("mul", {i, i}), i}));
  CHECK(chains_in(fuse_chains(simplify(graph))) == 0);
}

TEST_CASE("thread graphs that are no chains are expanded") {
  Graph inner;
  inner.level = Level::kThread;
  const Value a = inner.add_input("a", {DType::kF32, {4, 6}, {}});
  const Value b = inner.add_input("b", {DType::kF32, {6, 5}, {}});
  inner.add_output("y", inner.add("matmul", {a, b}));
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {4, 6}, {}});
  const Value y = graph.add_input("y", {DType::kF32, {6, 5}, {}});
  graph.add_output("z", graph.add("thread", {x, y}, {}, "", {inner}));
  check_same(graph, graph, {}, true);
}
