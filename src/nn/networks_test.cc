// The networks to train, at small shapes: devices agree on loss and gradients, nothing is left to
// the interpreter, gradients are slopes of the loss, and samples do not touch each other.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "lamina/bench.h"
#include "lamina/error.h"
#include "lamina/nn.h"

using namespace lamina;

namespace {

struct Small {
  const char* name;
  NetworkOptions options;
};

std::vector<Small> small_networks() {
  return {{"mmt", {.small = true, .branches = 2, .layers = 1, .tokens = 4}},
          {"dlrm", {.small = true, .branches = 2, .layers = 1, .tables = 2}},
          {"candle-uno", {.small = true, .branches = 2}},
          {"decoder", {.small = true, .layers = 1, .tokens = 6, .vocabulary = 11}},
          {"decoder", {.small = true, .layers = 1, .tokens = 5, .vocabulary = 9, .tied = true}},
          {"resnet", {.small = true, .image = 8, .channels = 2}}};
}

std::vector<Value> weights_of(const Graph& graph) {
  std::vector<Value> weights;
  for (const Input& input : graph.inputs) {
    if (input.role == Role::kWeight) weights.push_back({input.node, 0});
  }
  return weights;
}

void check_close(const Tensor& got, const Tensor& want, double tolerance) {
  REQUIRE(got.shape() == want.shape());
  const std::vector<double> a = got.to_doubles(), b = want.to_doubles();
  double mean = 0.0;
  for (const double x : b) mean += std::fabs(x) / static_cast<double>(b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(std::fabs(a[i] - b[i]) <= tolerance * (std::fabs(b[i]) + mean) + 1e-12);
  }
}

// Sample n of a dense tensor: the same number of rows for each of `count` samples.
Tensor sample(const Tensor& all, std::int64_t n, std::int64_t count) {
  Shape shape = all.shape();
  shape[0] /= count;
  Tensor one(all.dtype(), shape);
  std::copy_n(all.data() + static_cast<std::size_t>(n) * one.bytes(), one.bytes(), one.data());
  return one;
}

double loss_of(const Graph& graph, std::span<const Tensor> inputs) {
  return compile(graph, find_device("ref"))->run(inputs)[0].to_doubles()[0];
}

// `graph` with all weights moved by `step` along `direction`.
Graph moved(const Graph& graph, const std::vector<std::vector<double>>& direction, double step) {
  Graph result = graph;
  std::size_t next = 0;
  for (Input& input : result.inputs) {
    if (input.role != Role::kWeight) continue;
    std::vector<double> values = input.value.to_doubles();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += step * direction[next][i];
    ++next;
    input.value = Tensor::from_doubles(DType::kF32, input.value.shape(), values);
  }
  return result;
}

}  // namespace

TEST_CASE("networks and their gradients: the cpu device agrees with the reference") {
  for (const Small& each : small_networks()) {
    CAPTURE(each.name);
    const Graph graph = fill_weights(network(each.name, each.options).graph, 1);
    const Graph both = gradient(graph, weights_of(graph));
    const std::vector<Tensor> inputs = random_inputs(both, {{"N", 3}}, 2);
    const auto program = compile(both, find_device("cpu"));
    const std::vector<Tensor> got = program->run(inputs);
    CHECK(program->stats().fallback_ops == std::vector<std::string>{});
    const std::vector<Tensor> want = compile(both, find_device("ref"))->run(inputs);
    REQUIRE(got.size() == graph.outputs.size() + weights_of(graph).size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      CAPTURE(both.outputs[i].name);
      check_close(got[i], want[i], 2e-3);
    }
  }
}

TEST_CASE("gradients of networks are slopes of the loss") {
  for (const Small& each : small_networks()) {
    CAPTURE(each.name);
    const Graph graph = fill_weights(network(each.name, each.options).graph, 3);
    const Graph both = gradient(graph, weights_of(graph));
    const std::vector<Tensor> inputs = random_inputs(graph, {{"N", 2}}, 4);
    const std::vector<Tensor> outputs = compile(both, find_device("ref"))->run(inputs);
    // Along the gradient itself, at length 1: the slope is its norm.
    std::vector<std::vector<double>> direction;
    double square = 0.0;
    for (std::size_t i = graph.outputs.size(); i < outputs.size(); ++i) {
      direction.push_back(outputs[i].to_doubles());
      for (const double x : direction.back()) square += x * x;
    }
    const double norm = std::sqrt(square);
    REQUIRE(norm > 1e-3);
    for (std::vector<double>& part : direction) {
      for (double& x : part) x /= norm;
    }
    constexpr double kStep = 2e-3;
    const double slope = (loss_of(moved(graph, direction, kStep), inputs) -
                          loss_of(moved(graph, direction, -kStep), inputs)) /
                         (2 * kStep);
    CHECK(slope == doctest::Approx(norm).epsilon(0.02));
  }
}

TEST_CASE("the loss of a batch is the mean of those of its samples") {
  for (const Small& each : small_networks()) {
    CAPTURE(each.name);
    const Graph graph = fill_weights(network(each.name, each.options).graph, 5);
    const std::vector<Tensor> inputs = random_inputs(graph, {{"N", 3}}, 6);
    const auto program = compile(graph, find_device("ref"));
    const std::vector<Tensor> all = program->run(inputs);
    double sum = 0.0;
    for (std::int64_t n = 0; n < 3; ++n) {
      std::vector<Tensor> one;
      for (const Tensor& input : inputs) one.push_back(sample(input, n, 3));
      const std::vector<Tensor> outputs = program->run(one);
      sum += outputs[0].to_doubles()[0];
      for (std::size_t k = 1; k < all.size(); ++k) {
        check_close(outputs[k], sample(all[k], n, 3), 1e-5);
      }
    }
    CHECK(all[0].to_doubles()[0] == doctest::Approx(sum / 3).epsilon(1e-5));
  }
}

TEST_CASE("full shapes: parameters as the papers count them") {
  const auto millions = [](const char* name, const NetworkOptions& options = {}) {
    const Graph graph = network(name, options).graph;
    validate(graph);
    double count = 0.0;
    for (const Value weight : weights_of(graph)) {
      count += static_cast<double>(element_count(*constant_shape(graph.type(weight).shape)));
    }
    return count / 1e6;
  };
  // A layer of width h with a feed-forward part of 4 h: 12 h^2, and biases and norms.
  CHECK(millions("mmt") == doctest::Approx(32 * 12 * 1.048576).epsilon(0.02));
  CHECK(millions("mmt", {.branches = 2}) == doctest::Approx(16 * 12 * 1.048576).epsilon(0.02));
  CHECK(millions("dlrm") ==
        doctest::Approx(28 * 16.78 + 7 * 64 + (7 + 7 * 100 / 64.0) * 16.78).epsilon(0.01));
  CHECK(millions("candle-uno", {.branches = 16}) ==
        doctest::Approx((64 + 16 + 3) * 16.78).epsilon(0.01));
  CHECK(millions("decoder") == doctest::Approx(85.5).epsilon(0.01));
  CHECK(millions("resnet") == doctest::Approx(0.272).epsilon(0.02));  // table 6 of the paper
}

TEST_CASE("networks that do not exist") {
  CHECK_THROWS_WITH_AS(network("bert"), doctest::Contains("known: mmt, dlrm, candle-uno"), Error);
  CHECK_THROWS_WITH_AS(network("resnet", {.branches = 2}),
                       doctest::Contains("network 'resnet' has no option 'branches'"), Error);
  CHECK_THROWS_WITH_AS(network("mmt", {.heads = 5}),
                       doctest::Contains("width 1024 is not a multiple of 5 heads"), Error);
  CHECK_THROWS_WITH_AS(network("mmt", {.layers = -1}), doctest::Contains("layers must be from 1"),
                       Error);
  CHECK_THROWS_WITH_AS(network("mmt", {.frozen = {"branch_9."}}),
                       doctest::Contains("no weight's name begins with 'branch_9.'"), Error);
}

TEST_CASE("frozen weights by the beginnings of their names") {
  const train::Network frozen =
      network("candle-uno", {.small = true, .branches = 3, .frozen = {"branch_0.", "branch_2.1."}});
  CHECK(frozen.frozen == std::vector<std::string>{"branch_0.0.weight", "branch_0.0.bias",
                                                  "branch_0.1.weight", "branch_0.1.bias",
                                                  "branch_2.1.weight", "branch_2.1.bias"});
}
