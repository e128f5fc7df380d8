// Graphs as computations: what belongs together, what stays apart, and costs counted by hand.
#include <doctest/doctest.h>

#include <algorithm>

#include "base/rng.h"
#include "graph/random_graph.h"
#include "lamina/error.h"
#include "lamina/nn.h"
#include "lamina/pipeline.h"
#include "lamina/schedule.h"
#include "pipeline/pass_memory.h"
#include "pipeline/run/stage_program.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

// A second an operation, and nothing else.
double one_second_each(const Graph& pass) { return modelled({"counter", 1.0, 1e30, 0.0})(pass); }

std::vector<std::string> names_of(const Computation& computation) {
  std::vector<std::string> names;
  for (const Operator& op : computation.operators) names.push_back(op.name);
  return names;
}

// Whether a path leads from one operator to another.
bool leads_to(const Computation& computation, int from, int to) {
  std::vector<bool> reached(computation.operators.size(), false);
  reached[static_cast<std::size_t>(from)] = true;
  for (std::size_t n = 0; n < reached.size(); ++n) {
    for (const Edge& edge : computation.edges) {
      if (edge.to == static_cast<int>(n) && reached[static_cast<std::size_t>(edge.from)]) {
        reached[n] = true;
      }
    }
  }
  return reached[static_cast<std::size_t>(to)];
}

int find(const Computation& computation, const std::string& name) {
  const std::vector<std::string> names = names_of(computation);
  const auto found = std::find(names.begin(), names.end(), name);
  REQUIRE_MESSAGE(found != names.end(), name);
  return static_cast<int>(found - names.begin());
}

// loss = mean((relu(x a + b) c)^2) with x [N, 4], a [4, 8], b [8], c [8, 2].
train::Network two_products() {
  return {"two",
          parse_graph(R"(lamina 1
graph two[N](x: f32[N, 4], weight a: f32[4, 8], weight b: f32[8], weight c: f32[8, 2]) {
  product = matmul(x, a)
  shifted = add(product, b)
  active = relu(shifted)
  y = matmul(active, c)
  square = mul(y, y)
  loss = mean(square)
  return loss
}
)"),
          {}};
}

}  // namespace

TEST_CASE("packs of weights take memory where the device has them") {
  const PassTime seconds = one_second_each;
  const Computation with = graph_computation(two_products(), seconds, {.packs = true}).computation;
  const Computation none = graph_computation(two_products(), seconds, {.packs = false}).computation;
  REQUIRE(with.operators.size() == none.operators.size());
  for (std::size_t i = 0; i < with.operators.size(); ++i) {
    Operator op = with.operators[i];
    CHECK(op.fixed_bytes > none.operators[i].fixed_bytes);
    op.fixed_bytes = none.operators[i].fixed_bytes;
    CHECK(op == none.operators[i]);
  }
}

TEST_CASE("two products: every cost by hand") {
  const GraphComputation made = graph_computation(two_products(), one_second_each, {1, 3});
  const Computation& net = made.computation;
  CHECK(names_of(net) == std::vector<std::string>{"a", "c"});
  REQUIRE(net.edges == std::vector<Edge>{{0, 1, 8 * 4.0}});  // `active`
  const Operator& first = net.operators[0];
  CHECK(first.fixed_s == doctest::Approx(0.0));
  CHECK(first.forward_s == doctest::Approx(2 * 4 * 8 + 8 + 8 + 8));  // and where relu is not 0
  CHECK(first.input_gradient_s == 0.0);                              // x has none
  // Of relu: 8 elements at a few operations each; of b: 8 sums; of a: a product.
  CHECK(first.weight_gradient_s > 2 * 4 * 8 + 2 * 8);
  CHECK(first.weight_gradient_s < 2 * 4 * 8 + 8 * 8);
  CHECK(first.parameter_bytes == (4 * 8 + 8) * 4.0);
  // x, where relu is not 0, and `active`, which the other product's backward pass reads.
  CHECK(first.saved_bytes == 4 * 4 + 8 * 1 + 8 * 4);
  const Operator& second = net.operators[1];
  CHECK(second.forward_s == doctest::Approx(2 * 8 * 2 + 2 + 2).epsilon(0.05));
  CHECK(second.input_gradient_s > 2 * 8 * 2);
  // A product, and once a pass of 3 samples the sum with the gradients before.
  CHECK(second.weight_gradient_s == doctest::Approx(2 * 8 * 2 + 8 * 2 / 3.0).epsilon(0.05));
  CHECK(second.parameter_bytes == 8 * 2 * 4.0);
  CHECK(second.saved_bytes == 2 * 4.0);  // y
  CHECK(made.graph.outputs.size() == 1);
  for (std::size_t n = 0; n < made.graph.nodes.size(); ++n) {
    CHECK((made.operators[n] < 0) == (op_name(made.graph.nodes[n]) == "input"));
  }
}

TEST_CASE("frozen weights have no gradient, and what lies behind them keeps nothing") {
  train::Network network = two_products();
  network.frozen = {"a", "b"};
  const Computation net = graph_computation(network, one_second_each).computation;
  CHECK(net.operators[0].weight_gradient_s == 0.0);
  CHECK(net.operators[0].input_gradient_s == 0.0);
  CHECK(net.operators[0].saved_bytes == (4 + 8) * 4.0);  // x and `active`
  CHECK(net.operators[1].input_gradient_s == 0.0);
  CHECK(net.operators[1].weight_gradient_s > 2 * 8 * 2);
}

TEST_CASE("weights that are read once a pass are its fixed time") {
  // 4 bytes a second: of the first product, 40 weights.
  const PassTime slow_memory = modelled({"memory", 1e30, 4.0, 0.5});
  const Computation net = graph_computation(two_products(), slow_memory, {1, 5}).computation;
  const Operator& first = net.operators[0];
  CHECK(first.fixed_s == doctest::Approx(40 + 0.5));
  CHECK(first.forward_s == doctest::Approx(4 + 2 + 8));  // x, where relu is not 0, `active`
}

TEST_CASE("branches stay apart, whatever joins them") {
  for (const char* name : {"mmt", "candle-uno", "dlrm"}) {
    CAPTURE(name);
    const train::Network network = lamina::network(name, {.small = true, .branches = 3});
    const Computation net = graph_computation(network, one_second_each).computation;
    const std::string last = std::string(name) == "mmt" ? ".layer_1.down" : ".1";
    for (int a = 0; a < 3; ++a) {
      const int from = find(net, "branch_" + std::to_string(a) + last);
      for (int b = 0; b < 3; ++b) {
        const int to = find(net, "branch_" + std::to_string(b) + last);
        CHECK((a == b || !leads_to(net, from, to)));
      }
      CHECK(leads_to(net, from, static_cast<int>(net.operators.size()) - 1));
    }
  }
}

TEST_CASE("operators are about one for each heavy product") {
  const auto count = [](const char* name, const NetworkOptions& options = {}) {
    const PassTime seconds = one_second_each;
    return graph_computation(network(name, options), seconds).computation.operators.size();
  };
  CHECK(count("mmt") == 4 * 8 * 4 + 1);   // of a layer: qkv, out, up, down; the head
  CHECK(count("dlrm") == 7 * 4 + 7 + 1);  // the layers, the tables; the head is light
  CHECK(count("candle-uno") == 7 * 4 + 4);
  CHECK(count("decoder") == 1 + 12 * 5);  // the table; of a layer attention too
  CHECK(count("resnet") == 18);           // small convolutions (stem, shortcuts) are light
}

TEST_CASE("a decoder is a chain with shortcuts, its masks in every layer") {
  const train::Network network = lamina::network("decoder", {.small = true});
  const GraphComputation made = graph_computation(network, one_second_each);
  const auto& net = made.computation;
  for (std::size_t i = 0; i + 1 < net.operators.size(); ++i) {
    CHECK(leads_to(net, static_cast<int>(i), static_cast<int>(i + 1)));
  }
  for (const Edge& edge : net.edges) {
    CHECK(edge.to - edge.from <= 3);  // no mask goes from the first layer to all others
  }
}

TEST_CASE("a weight of two operators is a parameter of both") {
  const train::Network network =
      lamina::network("decoder", {.small = true, .vocabulary = 512, .tied = true});
  const Computation net = graph_computation(network, one_second_each).computation;
  CHECK(net.operators.front().parameter_bytes >= 512 * 64 * 4.0);
  CHECK(net.operators.back().parameter_bytes >= 512 * 64 * 4.0);
}

TEST_CASE("a model without a loss: forward times stand for gradients") {
  const Graph model = parse_graph(R"(lamina 1
graph model[T](x: f32[T, 4], weight a: f32[4, 8]) {
  product = matmul(x, a)
  y = relu(product)
  z = softmax(y)
  return z
}
)");
  const Computation net = graph_computation(model, one_second_each).computation;
  REQUIRE(net.operators.size() == 1);
  const Operator& op = net.operators[0];
  CHECK(op.forward_s > 2 * 4 * 8);
  CHECK(op.input_gradient_s == op.forward_s);
  CHECK(op.weight_gradient_s == op.forward_s);
  CHECK(op.saved_bytes == (4 + 8 + 8 + 8) * 4.0);
  Graph open = model;
  open.sizes.push_back({"U", 1, 8});
  CHECK_THROWS_WITH_AS(graph_computation(open, one_second_each), doctest::Contains("T, U"), Error);
}

TEST_CASE("random graphs: every node has an operator, and operators do not wait for each other") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed);
    const Graph graph = random_graph(rng, {.steps = 12, .max_rows = 9, .max_width = 17});
    const GraphComputation made = graph_computation(graph, one_second_each);
    validate(made.graph);
    REQUIRE(made.operators.size() == made.graph.nodes.size());
    for (std::size_t n = 0; n < made.graph.nodes.size(); ++n) {
      for (const Value& v : made.graph.nodes[n].inputs) {
        CHECK(made.operators[static_cast<std::size_t>(v.node)] <= made.operators[n]);
      }
    }
  }
}

TEST_CASE("what a pass holds while it runs") {
  const Graph graph = parse_graph(R"(lamina 1
graph g(x: f32[10, 10], ids: i64[3], weight table: f32[100, 10]) {
  a = matmul(x, x)
  b = relu(a)
  c = reshape(b, shape=[100])
  d = mul(c, c)
  e = sum(d)
  rows = gather(table, ids)
  return e, rows
}
)");
  CHECK(workspace_bytes(graph) == 448.0);  // a, and in its place b, c and d; blocks of 64 bytes
  CHECK(boundary_bytes(graph, {}) == 400.0 + 3 * 8 + 2 * 3 * 10 * 4 + 4);
}

TEST_CASE("the times of a plan's stages are those of their passes") {
  const train::Network network = lamina::network("decoder", {.small = true});
  const GraphComputation made = graph_computation(network, one_second_each, {1, 4});
  const auto count = static_cast<int>(made.computation.operators.size());
  Plan plan{"decoder", "test", 8, ScheduleKind::kOneF1B, {{{}, {0}, 4, 2}, {{}, {1}, 4, 1}}};
  for (int i = 0; i < count; ++i) plan.stages[i < count / 2 ? 0 : 1].operators.push_back(i);
  const Cluster cluster = uniform_cluster(2, 1e12, {1e12, 0.0}, 2);
  // Every pass takes as long as its outputs are many.
  const PassTime outputs = [](const Graph& pass) {
    return static_cast<double>(pass.outputs.size() + 10 * pass.updates.size());
  };
  const Computation timed = with_stage_times(made, plan, {}, outputs);
  const std::vector<StageCost> costs = stage_costs(timed, cluster, plan);
  const PipelineProgram program = cut_stages(made, plan, {});
  for (std::size_t s = 0; s < 2; ++s) {
    CHECK(costs[s].forward_s == doctest::Approx(outputs(program.stages[s].forward.graph)));
    CHECK(costs[s].backward_s() == doctest::Approx(outputs(program.stages[s].backward.graph)));
  }
  plan.stages[0].recompute = true;
  plan.schedule = ScheduleKind::kSplit;
  const Computation split = with_stage_times(made, plan, {}, outputs);
  const PipelineProgram parts = cut_stages(made, plan, {});
  const StageCost last = stage_costs(split, cluster, plan)[1];
  CHECK(last.input_gradient_s == doctest::Approx(outputs(parts.stages[1].input_gradient.graph)));
  CHECK(last.weight_gradient_s == doctest::Approx(outputs(parts.stages[1].weight_gradient.graph)));
  const StageCost first = stage_costs(split, cluster, plan)[0];
  CHECK(first.backward_s() == doctest::Approx(outputs(parts.stages[0].input_gradient.graph) +
                                              outputs(parts.stages[0].weight_gradient.graph)));
}

TEST_CASE("the optimiser's step goes over parameters, their state and gradients") {
  // 4 bytes a second; 40 parameters: gradients are read, three values read and written.
  const Computation net =
      graph_computation(two_products(), modelled({"memory", 1e30, 4.0, 0.0})).computation;
  CHECK(net.operators[0].update_s == doctest::Approx(40 * 7));
  const Cluster cluster = uniform_cluster(3, 1e9, {1e9, 0.0}, 3);
  Plan plan{"two", "test", 4, ScheduleKind::kOneF1B, {{{0}, {0, 1}, 2, 2}, {{1}, {2}, 2, 1}}};
  CHECK(stage_costs(net, cluster, plan)[0].update_s == doctest::Approx(40 * 7));
  plan.stages[0].shard_optimizer = true;
  CHECK(stage_costs(net, cluster, plan)[0].update_s == doctest::Approx(20 * 7));
  Computation without = net;
  for (Operator& op : without.operators) op.update_s = 0.0;
  const auto seconds = [&](const Computation& each) {
    return simulate(each, cluster, plan, make_schedule(each, cluster, plan)).iteration_s;
  };
  CHECK(seconds(net) > seconds(without) + 16 * 7);
}
