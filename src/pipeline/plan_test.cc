// Networks, clusters and plans: their files, what is refused, and the numbers that follow.
#include <doctest/doctest.h>

#include "base/rng.h"
#include "lamina/error.h"
#include "lamina/pipeline.h"
#include "lamina/schedule.h"
#include "pipeline/random_plan_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

Computation network(int operators, std::vector<Edge> edges) {
  Computation result;
  result.name = "net";
  for (int i = 0; i < operators; ++i) {
    result.operators.push_back({.name = "op" + std::to_string(i),
                                .forward_s = 1.0,
                                .input_gradient_s = 1.0,
                                .weight_gradient_s = 1.0,
                                .parameter_bytes = 100.0,
                                .saved_bytes = 10.0,
                                .workspace_bytes = 1.0});
  }
  result.edges = std::move(edges);
  return result;
}

std::vector<int> in_flight_samples(const Computation& net, int micro_batch, int batch) {
  Plan plan = test::stage_per_operator(net, batch, ScheduleKind::kOneF1B);
  for (Stage& stage : plan.stages) stage.micro_batch = micro_batch;
  set_in_flight(net, plan);
  std::vector<int> samples;
  for (const Stage& stage : plan.stages) samples.push_back(stage.in_flight * stage.micro_batch);
  return samples;
}

void refused(const Computation& net, const Plan& plan, const char* words) {
  CHECK_THROWS_WITH_AS(validate(net, test::enough_devices(net), plan), doctest::Contains(words),
                       Error);
}

}  // namespace

// Stages as (micro-batch, samples in flight) of the plan files of FlexFlow's pull request 308.
TEST_CASE("micro-batches in flight are those of the plan files of GraphPipe's authors") {
  const Computation chain = network(6, {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}});
  CHECK(in_flight_samples(chain, 64, 1024) == std::vector<int>{384, 320, 256, 192, 128, 64});
  // CANDLE: four towers, their join, the last stage.
  const Computation towers = network(6, {{0, 4}, {1, 4}, {2, 4}, {3, 4}, {4, 5}});
  CHECK(in_flight_samples(towers, 64, 1024) == std::vector<int>{192, 192, 192, 192, 128, 64});
  const Computation dlrm = network(3, {{0, 1}, {1, 2}});
  CHECK(in_flight_samples(dlrm, 128, 1024) == std::vector<int>{384, 256, 128});
  const Computation resnet = network(7, {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}, {5, 6}});
  CHECK(in_flight_samples(resnet, 2, 64) == std::vector<int>{14, 12, 10, 8, 6, 4, 2});
  // A batch that has fewer.
  CHECK(in_flight_samples(chain, 64, 128) == std::vector<int>{128, 128, 128, 128, 128, 64});
}

TEST_CASE("different micro-batches: a stage holds the larger of its own and its successor's more") {
  const Computation chain = network(3, {{0, 1}, {1, 2}});
  Plan plan = test::stage_per_operator(chain, 16, ScheduleKind::kOneF1B);
  plan.stages[0].micro_batch = 1;
  plan.stages[1].micro_batch = 2;
  plan.stages[2].micro_batch = 4;
  set_in_flight(chain, plan);
  CHECK(plan.stages[0].in_flight ==
        10);  // Fig. 5 of the paper: 12 with micro-batches of 4, 10 here
  CHECK(plan.stages[1].in_flight == 4);
  CHECK(plan.stages[2].in_flight == 1);
}

TEST_CASE("stages of a chain wait for the one before") {
  // Two branches that join.
  const Computation net = network(5, {{0, 2, 8.0}, {1, 3, 8.0}, {2, 4, 8.0}, {3, 4, 8.0}});
  Plan plan = test::stage_per_operator(net, 16, ScheduleKind::kOneF1B);
  CHECK(depth(net, plan) == 3);
  plan.chain = true;
  CHECK(depth(net, plan) == 5);
  set_in_flight(net, plan);
  CHECK(plan.stages[0].in_flight == 5);
  const std::vector<StageEdge> edges = stage_edges(net, plan);
  CHECK(edges.size() == 7);
  CHECK(edges[0] == StageEdge{0, 1, 0, 0.0});
  CHECK(edges[1] == StageEdge{0, 2, 0, 8.0});
  CHECK(edges.back() == StageEdge{3, 4, 3, 8.0});
  // As many as 1F1B on a chain takes: 16 micro-batches and 4 to fill, 3 seconds each.
  const Cluster cluster = test::enough_devices(net);
  CHECK(simulate(net, cluster, plan, make_schedule(net, cluster, plan), {.links = false})
            .iteration_s == (16 + 4) * 3.0);
  std::swap(plan.stages[1], plan.stages[3]);
  refused(net, plan, "the stage graph has a cycle");
}

TEST_CASE("stages that are convex may still make a cycle") {
  const Computation net = network(4, {{0, 1}, {2, 3}});
  Plan plan = test::stage_per_operator(net, 4, ScheduleKind::kOneF1B);
  plan.stages.resize(2);
  plan.stages[0].operators = {0, 3};
  plan.stages[1].operators = {1, 2};
  refused(net, plan, "the stage graph has a cycle, among the stages 0, 1");
  plan.stages[0].operators = {0, 2};
  plan.stages[1].operators = {1, 3};
  validate(net, test::enough_devices(net), plan);
  CHECK(depth(net, plan) == 2);
}

TEST_CASE("plans that cannot be run") {
  const Computation net = network(3, {{0, 1}, {1, 2}});
  const Plan good = test::stage_per_operator(net, 8, ScheduleKind::kOneF1B);
  validate(net, test::enough_devices(net), good);
  Plan plan = good;
  plan.stages[1].operators = {0};
  refused(net, plan, "operator 0 is in stage 0 and in stage 1");
  plan = good;
  plan.stages.pop_back();
  refused(net, plan, "operator 2 is in no stage");
  plan = good;
  plan.stages[2].devices = {3};
  refused(net, plan, "there is no device 3, only 3");
  plan = good;
  plan.stages[2].micro_batch = 3;
  refused(net, plan, "micro-batches of 3 do not divide the batch of 8");
  plan = good;
  plan.stages.pop_back();
  plan.stages[1].operators = {1, 2};
  plan.stages[1].devices = {1, 2};
  refused(net, plan, "2 devices do not divide its micro-batch of 1");
  plan = good;
  plan.stages[0].in_flight = 0;
  refused(net, plan, "in_flight must be from 1 to 8");
  plan.stages[0].in_flight = 9;
  refused(net, plan, "in_flight must be from 1 to 8");
  plan = good;
  plan.batch = 1 << 30;
  refused(net, plan, "expected larger micro-batches");
}

TEST_CASE("a tensor that several operators of a stage need is sent once") {
  const Computation net = network(4, {{0, 1, 8.0}, {0, 2, 8.0}, {1, 3, 4.0}, {2, 3, 4.0}});
  Plan plan = test::stage_per_operator(net, 4, ScheduleKind::kOneF1B);
  plan.stages.resize(2);
  plan.stages[1].operators = {1, 2, 3};
  const std::vector<StageEdge> edges = stage_edges(net, plan);
  REQUIRE(edges.size() == 1);
  CHECK(edges[0] == StageEdge{0, 1, 0, 8.0});
}

TEST_CASE("costs of stages") {
  Computation net = network(2, {{0, 1, 8.0}});
  net.operators[0].fixed_s = 0.5;
  Cluster cluster = uniform_cluster(3, 1e6, {100.0, 0.25}, 3);
  cluster.devices[2].speed = 2.0;
  Plan plan{"net", "test", 8, ScheduleKind::kOneF1B, {{{0}, {0, 1}, 4, 2}, {{1}, {2}, 2, 1}}};
  const std::vector<StageCost> costs = stage_costs(net, cluster, plan);
  CHECK(costs[0].forward_s == 2.5);  // two samples a device, and what a pass costs
  CHECK(costs[0].backward_s() == 5.0);
  CHECK(costs[0].reduce_s == 2.0 * 1 / 2 * 100.0 / 100.0 + 2 * 0.25);
  CHECK(costs[0].parameter_bytes == 400.0);
  CHECK(costs[0].saved_bytes == 20.0);
  CHECK(costs[1].forward_s == 1.0);
  CHECK(costs[1].reduce_s == 0.0);
  CHECK(costs[1].saved_bytes == 2 * (8.0 + 10.0));
  plan.stages[1].recompute = true;
  plan.stages[0].shard_optimizer = true;
  const std::vector<StageCost> others = stage_costs(net, cluster, plan);
  CHECK(others[0].parameter_bytes == 300.0);
  CHECK(others[1].input_gradient_s == costs[1].input_gradient_s + costs[1].forward_s);
  CHECK(others[1].saved_bytes == 16.0 + 16.0);  // what came in, and its gradient on the way back
  CHECK(others[1].workspace_bytes == 2.0 + 20.0);
  // Packs once more where forward passes run again; split passes keep all until the last.
  net.operators[1].fixed_bytes = 7.0;
  net.operators[1].split_bytes = 3.0;
  const double whole = others[1].parameter_bytes;
  CHECK(stage_costs(net, cluster, plan)[1].parameter_bytes == whole + 14.0);
  plan.schedule = ScheduleKind::kSplit;
  CHECK(stage_costs(net, cluster, plan)[1].saved_bytes == 32.0 + 2 * (10.0 + 3.0));
  plan.stages[1].recompute = false;
  CHECK(stage_costs(net, cluster, plan)[1].parameter_bytes == whole + 7.0);
  CHECK(stage_costs(net, cluster, plan)[1].saved_bytes == 2 * (8.0 + 10.0 + 3.0));
}

TEST_CASE("files go through unchanged") {
  Rng rng(3);
  Computation net = test::random_network(7, {0.1, 0.2, 0.3}, rng);
  net.operators[2].fixed_s = 1e-6;
  net.operators[3].fixed_bytes = 5.0;
  net.operators[4].split_bytes = 6.0;
  net.edges[0].bytes = 12345.5;
  CHECK(parse_computation(to_json(net), "again") == net);
  Cluster cluster = uniform_cluster(5, 1e9, {1e8, 1e-6}, 2);
  cluster.devices[3].speed = 0.5;
  CHECK(parse_cluster(to_json(cluster), "again") == cluster);
  Plan plan = test::stage_per_operator(net, 8, ScheduleKind::kSplit);
  plan.stages[1].recompute = true;
  plan.chain = true;
  CHECK(parse_plan(to_json(plan), "again") == plan);
}

TEST_CASE("files that cannot be used") {
  const auto refuse = [](std::string_view text, const char* words) {
    CHECK_THROWS_WITH_AS(parse_computation(text, "n"), doctest::Contains(words), Error);
  };
  refuse("", "n: expected a computation, got an empty file");
  refuse("{", "n: expected a computation:");
  refuse(R"({"kind": "plan"})", "expected kind \"computation\", got \"plan\"");
  refuse(R"({"kind": "computation", "version": 2})", "n: version 2, known is 1");
  const std::string head = R"({"kind": "computation", "version": 1, "name": "x", "operators": )";
  refuse(head + R"([{"name": "a", "forward_s": -1}], "edges": []})",
         "n: operator 0: 'forward_s' must not be negative");
  refuse(head + R"([{"name": "a"}, {"name": "b"}], "edges": [{"from": 1, "to": 0, "bytes": 1}]})",
         "n: edge 1 -> 0 goes back");
  refuse(head + R"([], "edges": []})", "has no operators");
  refuse(head + R"([{"name": "a", "forward": 1}], "edges": []})",
         "n: operator 0: there is no key 'forward'");
  refuse(head + R"([{"name": "a", "forward_s": 1, "forward_s": 2}], "edges": []})",
         "the key 'forward_s' is there twice");
  const std::string cut = to_json(uniform_cluster(2, 1e9, {1e8, 0.0}, 2));
  CHECK_THROWS_AS(parse_cluster(cut.substr(0, cut.size() / 2), "c"), Error);
  CHECK_THROWS_WITH_AS(parse_plan(R"({"kind": "plan", "version": 1, "computation": "x",
      "planner": "me", "batch": 8, "schedule": "zb", "stages": []})",
                                  "p"),
                       doctest::Contains("p: there is no schedule 'zb'; known: gpipe, 1f1b, split"),
                       Error);
}

TEST_CASE("profiles of PipeDream") {
  const std::string profile =
      "node2 -- Linear(4, 8) -- forward_compute_time=2.000, backward_compute_time=6.000, "
      "activation_size=[64.0; 16.0], parameter_size=128.000\n"
      "node3 -- ReLU -- forward_compute_time=1.000, backward_compute_time=1.000, "
      "activation_size=64.000, parameter_size=0.000\n"
      "node1 -- Input -- forward_compute_time=9.000, backward_compute_time=0.000, "
      "activation_size=32.0, parameter_size=0.000\n"
      "\tnode1 -- node2\n\tnode2 -- node3\n";
  const Computation net = parse_computation(profile, "graph.txt", 2.0);
  REQUIRE(net.operators.size() == 3);
  CHECK(net.operators[0].name == "node1 Input");
  CHECK(net.operators[0].forward_s == 0.0);
  CHECK(net.operators[1].forward_s == doctest::Approx(1e-3));
  CHECK(net.operators[1].weight_gradient_s == doctest::Approx(1.5e-3));
  CHECK(net.operators[1].parameter_bytes == 128.0);
  CHECK(net.operators[2].weight_gradient_s == 0.0);
  CHECK(net.edges == std::vector<Edge>{{0, 1, 16.0}, {1, 2, 40.0}});
  const auto refuse = [&](const std::string& text, const char* words) {
    CHECK_THROWS_WITH_AS(parse_computation(text, "graph.txt"), doctest::Contains(words), Error);
  };
  refuse(profile + "\tnode3 -- node2\n", "the edges have a cycle");
  refuse(profile + "\tnode3 -- node9\n", "graph.txt:6: there is no operator 'node9'");
  refuse("node1 -- Input\n", "graph.txt:1: expected 3 parts with ' -- ' between them, got 2");
  refuse("node1 -- Input -- forward_compute_time=x\n", "expected a number");
}
