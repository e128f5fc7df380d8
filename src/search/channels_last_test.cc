// The change of layout: proved step by step, and as a whole on a graph that is small enough.
#include "search/channels_last.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "lamina/bench.h"
#include "lamina/device.h"
#include "search/conv_regions.h"
#include "search/tiling.h"

using namespace lamina;
using namespace lamina::search;

namespace {

Type f32(Dims shape) { return {DType::kF32, std::move(shape), {}}; }

class Builder {
 public:
  Value input(Dims shape) { return graph.add_input("x", f32(std::move(shape))); }
  Value weight(Dims shape) {
    return graph.add_input("w" + std::to_string(graph.inputs.size()), f32(std::move(shape)),
                           Role::kWeight);
  }
  Value op(std::string_view name, std::vector<Value> inputs, Attrs attrs = {}) {
    return graph.add(name, std::move(inputs), std::move(attrs));
  }
  Value batch_norm(Value x, const Dim& channels) {
    std::vector<Value> inputs = {x};
    for (int i = 0; i < 4; ++i) inputs.push_back(weight({channels}));
    return op("batch_norm", inputs, {{"epsilon", 10.0}});
  }
  Graph graph;
};

// Every rule once: convolutions of all kinds, norms, activations, squeeze and excite, poolings,
// resizing, concatenation, and a head behind a transpose.
Graph network() {
  Builder b;
  const Attrs padded = {{"pads_low", Dims{1, 1}}, {"pads_high", Dims{1, 1}}};
  Attrs depthwise = padded;
  depthwise.set("groups", std::int64_t{4});
  const Value x = b.input({2, 3, 5, 6});
  Value y = b.op("conv", {x, b.weight({4, 3, 3, 3}), b.weight({4})}, padded);
  y = b.op("relu", {b.batch_norm(y, 4)});
  const Value inner = b.op("conv", {y, b.weight({4, 1, 3, 3})}, depthwise);
  const Value mean = b.op("mean", {inner}, {{"axes", Dims{2, 3}}, {"keepdims", true}});
  const Value gate = b.op("sigmoid", {b.op("conv", {mean, b.weight({4, 4, 1, 1})})});
  y = b.op("add", {y, b.op("mul", {gate, b.op("mul", {inner, b.weight({4, 1, 1})})})});
  y = b.op("group_norm", {y, b.weight({4}), b.weight({4})}, {{"groups", 2}, {"epsilon", 10.0}});
  Attrs window = padded;
  window.set("window", Dims{3, 3});
  const Value pooled =
      b.op("concat", {b.op("max_pool", {y}, window), b.op("avg_pool", {y}, window)}, {{"axis", 1}});
  const Value up = b.op("conv_transpose", {pooled, b.weight({8, 5, 2, 2}), b.weight({5})},
                        {{"strides", Dims{2, 2}}});
  const Value cut = b.op("slice", {up}, {{"start", Dims{0, 1, 0, 2}}, {"size", Dims{2, 3, 10, 8}}});
  b.graph.add_output("map", cut);
  b.graph.add_output("mean", b.op("mean", {pooled}, {{"axes", Dims{-2, -1}}}));
  b.graph.add_output("rows", b.op("transpose", {up}, {{"axes", Dims{0, 2, 3, 1}}}));
  return std::move(b.graph);
}

}  // namespace

TEST_CASE("a network with channels last computes the same, and every step is proved") {
  const Graph graph = fill_weights(network(), 1);
  const auto changed = channels_last(graph);
  REQUIRE(changed.has_value());
  CHECK(changed->moved.size() == 18);
  const Verdict verdict = prove_channels_last(graph, *changed);
  INFO(verdict.reason);
  CHECK(verdict.outcome == Outcome::kEquivalent);
  CHECK(verdict.bits.value_or(0.0) >= 75.0);
  const auto inputs = random_inputs(graph, {}, 3);
  const auto want = compile(graph, find_device("ref"))->run(inputs);
  const auto got = compile(changed->graph, find_device("ref"))->run(inputs);
  for (std::size_t i = 0; i < want.size(); ++i) {
    CHECK(got[i].shape() == want[i].shape());
    const auto a = got[i].to_doubles(), b = want[i].to_doubles();
    for (std::size_t e = 0; e < a.size(); ++e) CHECK(a[e] == doctest::Approx(b[e]).epsilon(1e-5));
  }
}

TEST_CASE("a graph without convolutions of constant filters is left alone") {
  Builder b;
  const Value x = b.input({1, 3, 4, 4});
  b.graph.add_output("y", b.op("conv", {x, b.op("reshape", {x}, {{"shape", Dims{4, 3, 2, 2}}})}));
  CHECK(!channels_last(b.graph));
}

TEST_CASE("regions end where a second value is read outside") {
  Builder b;
  const Value x = b.input({1, 6, 6, 3});
  const Value y = b.op("conv_last", {x, b.weight({8, 3, 1, 1})});
  const Value scaled = b.op("mul", {y, b.weight({8})});
  const Value t = b.op("tanh", {scaled});
  const Value late =
      b.op("mul", {b.op("mean", {t}, {{"axes", Dims{1, 2}}, {"keepdims", true}}), t});
  b.graph.add_output("y", b.op("relu", {late}));
  const auto regions = convolution_regions(b.graph);
  REQUIRE(regions.size() == 1);
  CHECK(regions[0].nodes == std::vector<NodeId>{y.node, scaled.node, t.node});
}
