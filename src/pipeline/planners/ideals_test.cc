// Downsets, and the planners that cut between them without replication.
#include "pipeline/planners/ideals.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "pipeline/planners.h"
#include "pipeline/planners/chain_costs.h"
#include "pipeline/planners/chains_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

Downsets downsets_of(const Computation& net) {
  return {static_cast<int>(net.operators.size()), pairs_of(net), 1'000'000, Deadline(0.0)};
}

// Bytes a sample of the tensors that one side of a stage's border makes and the other one needs.
double border_bytes(const Computation& net, const std::vector<int>& stages, int stage) {
  double bytes = 0.0;
  for (int op = 0; op < static_cast<int>(net.operators.size()); ++op) {
    bool crosses = false;
    double size = 0.0;
    for (const Edge& edge : net.edges) {
      if (edge.from != op) continue;
      const int from = stages[static_cast<std::size_t>(edge.from)];
      const int to = stages[static_cast<std::size_t>(edge.to)];
      crosses = crosses || ((from == stage) != (to == stage));
      size = edge.bytes;
    }
    if (crosses) bytes += size;
  }
  return bytes;
}

double stage_seconds(const Computation& net, const std::vector<int>& stages, int stage) {
  double seconds = 0.0;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const Operator& op = net.operators[i];
    if (stages[i] != stage) continue;
    seconds += op.forward_s + op.input_gradient_s + op.weight_gradient_s;
  }
  return seconds;
}

}  // namespace

TEST_CASE("downsets of a diamond") {
  // 0 before 1 and 2, both before 3.
  const Downsets sets(4, {{0, 1}, {0, 2}, {1, 3}, {2, 3}}, 100, Deadline(0.0));
  REQUIRE(sets.complete());
  CHECK(sets.size() == 6);
  CHECK(sets.between(0, 5) == std::vector<int>{0, 1, 2, 3});
  CHECK(sets.between(1, 4) == std::vector<int>{1, 2});
  CHECK(sets.inside(2, 4));
  CHECK_FALSE(sets.inside(2, 3));
  const Downsets few(4, {}, 15, Deadline(0.0));
  CHECK(few.reason() == "the network has more than 15 downsets");
}

TEST_CASE("what crosses the border of a stage is counted once for each tensor") {
  Rng rng(1);
  for (int i = 0; i < 30; ++i) {
    const Computation net = test::random_costs(6, rng);
    const Downsets sets = downsets_of(net);
    const Crossings crossings(sets, tensors_of(net));
    for (int inner = 0; inner < sets.size(); ++inner) {
      for (int outer = inner + 1; outer < sets.size(); ++outer) {
        if (!sets.inside(inner, outer)) continue;
        std::vector<int> stages(6, 2);
        for (const int op : sets.between(0, outer)) stages[static_cast<std::size_t>(op)] = 1;
        for (const int op : sets.between(0, inner)) stages[static_cast<std::size_t>(op)] = 0;
        const Crossings::Cost cost = crossings.of_stage(inner, outer);
        CHECK(cost.in + cost.out == border_bytes(net, stages, 1));
      }
    }
  }
}

TEST_CASE("the least largest load is that of the best of all chains") {
  Rng rng(2);
  for (int i = 0; i < 40; ++i) {
    const Computation net = test::random_costs(6, rng);
    const int devices = static_cast<int>(rng.integer(1, 4));
    const Cluster cluster = uniform_cluster(devices, 1e9, {4.0, 0.0}, devices);
    const Downsets sets = downsets_of(net);
    ChainCosts costs(net, cluster, {}, sets);
    costs.set_micro_batch(1);
    const LeastLoad ours =
        least_load(sets,
                   {{devices,
                     [&](int inner, int outer) {
                       const StageSums stage = costs.sums(inner, outer);
                       return StageLoad{costs.seconds(stage, 1) + costs.transfer_s(stage),
                                        costs.most_stages(stage, 1)};
                     }}},
                   Deadline(0.0));
    double best = kNever;
    test::for_each_chain(net, devices, [&](const std::vector<int>& stages, int count) {
      double load = 0.0;
      for (int s = 0; s < count; ++s) {
        load = std::max(load,
                        stage_seconds(net, stages, s) + 2.0 * border_bytes(net, stages, s) / 4.0);
      }
      best = std::min(best, load);
    });
    CHECK(ours.seconds == doctest::Approx(best));
  }
}

// Operators of 3, 3, 3 and 9 seconds, the last one after the others, on two devices of which one
// kind takes twice as long: the fast one must have the last operator.
TEST_CASE("kinds of devices") {
  const Downsets sets(4, {{0, 3}, {1, 3}, {2, 3}}, 100, Deadline(0.0));
  const std::vector<double> sums = sets.sums({3.0, 3.0, 3.0, 9.0});
  const auto takes = [&](double times, int most) {
    return [&sums, times, most](int inner, int outer) {
      return StageLoad{
          times * (sums[static_cast<std::size_t>(outer)] - sums[static_cast<std::size_t>(inner)]),
          most};
    };
  };
  const LeastLoad both = least_load(sets, {{1, takes(1.0, 9)}, {1, takes(2.0, 9)}}, Deadline(0.0));
  CHECK(both.seconds == 12.0);
  REQUIRE(both.stages.size() == 2);
  CHECK(both.stages[0].kind == 1);
  CHECK(both.stages[1].kind == 0);
  // No device has memory for a stage with another one after it.
  CHECK(least_load(sets, {{1, takes(1.0, 1)}, {1, takes(2.0, 1)}}, Deadline(0.0)).seconds == 18.0);
  CHECK(least_load(sets, {{1, takes(1.0, 0)}}, Deadline(0.0)).stages.empty());
}

TEST_CASE("the linear order follows a branch to its end") {
  CHECK(linear_order(5, {{0, 1}, {0, 2}, {1, 3}, {3, 4}, {2, 4}}) ==
        std::vector<int>{0, 2, 1, 3, 4});
}

// Branches of 6 + 1 and of 4 + 9 seconds. The second one is first in the linear order, so that the
// best cut there is 13 | 7; ideals cut both branches, 10 | 10.
TEST_CASE("plans of both planners: ideals cut across branches") {
  Rng rng(4);
  Computation net = test::random_network(4, {6.0, 0.0, 0.0}, rng);
  net.edges = {{0, 2, 0.0}, {1, 3, 0.0}};
  net.operators[1].forward_s = 4.0;
  net.operators[2].forward_s = 1.0;
  net.operators[3].forward_s = 9.0;
  const Cluster cluster = uniform_cluster(2, 1e9, {1e3, 0.0}, 2);
  PlanOptions options;
  options.batch = 16;
  const auto slowest_s = [&](PlannerKind kind) {
    const Planned planned = make_plan(net, cluster, kind, options);
    REQUIRE(planned.plan.has_value());
    CHECK(planned.reason.empty());
    CHECK(planned.plan->planner == name(kind));
    CHECK(planned.states > 0);
    double slowest = 0.0;
    for (const StageCost& cost : stage_costs(net, cluster, *planned.plan)) {
      slowest = std::max(slowest, cost.forward_s + cost.backward_s());
    }
    return slowest / planned.plan->stages[0].micro_batch;
  };
  CHECK(slowest_s(PlannerKind::kIdeals) == 10.0);
  CHECK(slowest_s(PlannerKind::kLinear) == 13.0);
}

TEST_CASE("memory: fewer stages, and at last none") {
  Rng rng(4);
  Computation net = test::random_network(4, {}, rng);
  net.edges = {{0, 1, 0.0}, {1, 2, 0.0}, {2, 3, 0.0}};
  for (Operator& op : net.operators) {
    op.parameter_bytes = 25.0;  // 100 with gradients and the optimiser's state
    op.saved_bytes = 10.0;
  }
  PlanOptions options;
  options.batch = 8;
  options.micro_batch = 1;
  const auto plan = [&](double bytes) {
    return make_plan(net, uniform_cluster(4, bytes, {1e3, 0.0}, 4), PlannerKind::kIdeals, options);
  };
  // Four stages: the first holds 100 and four micro-batches of 10.
  REQUIRE(plan(140.0).plan.has_value());
  CHECK(plan(140.0).plan->stages.size() == 4);
  CHECK_FALSE(plan(139.0).plan.has_value());
  CHECK(plan(139.0).reason == "no plan fits the memory");
}
