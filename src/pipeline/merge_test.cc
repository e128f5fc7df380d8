// Merged operators cost what their members do.
#include "pipeline/merge.h"

#include <doctest/doctest.h>

#include "pipeline/planners/chains_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;

TEST_CASE("neighbours on a branch are merged, the shortest ones first") {
  // 0 before two branches, 1 3 5 and 2 4, that 6 joins.
  Computation net;
  for (const double seconds : {1.0, 2.0, 3.0, 2.0, 3.0, 9.0, 1.0}) {
    net.operators.push_back({.name = "op", .forward_s = seconds, .saved_bytes = seconds});
  }
  net.edges = {{0, 1, 1}, {0, 2, 1}, {1, 3, 2}, {2, 4, 3}, {3, 5, 4}, {4, 6, 5}, {5, 6, 6}};
  using Members = std::vector<std::vector<int>>;
  CHECK(merge_neighbours(net, 7).members.size() == 7);
  const Merged six = merge_neighbours(net, 6);
  CHECK(six.members == Members{{0}, {1, 3}, {2}, {4}, {5}, {6}});
  CHECK(six.computation.operators[1].forward_s == 4.0);
  CHECK(six.computation.operators[1].saved_bytes == 4.0);
  CHECK(six.computation.edges ==
        std::vector<Edge>{{0, 1, 1}, {0, 2, 1}, {2, 3, 3}, {1, 4, 4}, {3, 5, 5}, {4, 5, 6}});
  CHECK(merge_neighbours(net, 1).members == Members{{0}, {1, 3, 5}, {2, 4}, {6}});
}

TEST_CASE("shortcuts within a branch are merged, branches are not") {
  // Two branches of two blocks: an operator, its result also around the next one.
  Computation net;
  for (int i = 0; i < 9; ++i) net.operators.push_back({.name = "op", .forward_s = 1.0});
  for (const int b : {0, 4}) {
    net.edges.insert(net.edges.end(), {{b, b + 1, 1}, {b, b + 2, 1}, {b + 1, b + 2, 1}});
    net.edges.insert(net.edges.end(), {{b + 2, b + 3, 1}, {b + 3, 8, 1}});
  }
  const Merged merged = merge_neighbours(net, 1);
  CHECK(merged.members == std::vector<std::vector<int>>{{0, 1, 2, 3}, {4, 5, 6, 7}, {8}});
  CHECK(merged.computation.edges == std::vector<Edge>{{0, 2, 1}, {1, 2, 1}});
}

TEST_CASE("merging any network keeps its order") {
  Rng rng(2);
  for (int i = 0; i < 50; ++i) {
    const Computation net = test::random_costs(12, rng);
    for (const int operators : {9, 6, 1}) {
      const Merged merged = merge_neighbours(net, operators);
      validate(merged.computation);
      const Plan plan = test::stage_per_operator(merged.computation, 4, ScheduleKind::kOneF1B);
      validate(net, test::enough_devices(net), unmerged(plan, merged));
    }
  }
}

TEST_CASE("a plan of merged operators costs the same for their members") {
  Rng rng(1);
  for (int i = 0; i < 20; ++i) {
    Computation net = test::random_costs(8, rng);
    std::erase_if(net.edges, [&](const Edge& edge) { return edge.to != edge.from + 1; });
    const Merged merged = merge_neighbours(net, 5);
    CHECK(merged.computation.operators.size() == 8 - std::min<std::size_t>(3, net.edges.size()));
    validate(merged.computation);
    const Plan plan = test::stage_per_operator(merged.computation, 8, ScheduleKind::kOneF1B);
    const Plan ours = unmerged(plan, merged);
    const Cluster cluster = test::enough_devices(net);
    validate(net, cluster, ours);
    CHECK(stage_memory(net, cluster, ours) == stage_memory(merged.computation, cluster, plan));
    CHECK(stage_costs(net, cluster, ours)[0].backward_s() ==
          stage_costs(merged.computation, cluster, plan)[0].backward_s());
  }
}

TEST_CASE("planners merge where they are asked to") {
  Computation net;
  net.name = "towers";
  for (int i = 0; i < 40; ++i) {
    net.operators.push_back({.name = "op", .forward_s = 1.0});
    if (i % 10 > 0) net.edges.push_back({i - 1, i, 1.0});
  }
  PlanOptions options;
  options.batch = 8;
  options.micro_batch = 1;
  options.most_operators = 8;
  const Cluster cluster = uniform_cluster(4, 1e9, {1e9, 0.0}, 4);
  const Planned planned = make_plan(net, cluster, PlannerKind::kIdeals, options);
  REQUIRE(planned.plan.has_value());
  CHECK(planned.plan->stages.size() == 4);
  for (const Stage& stage : planned.plan->stages) CHECK(stage.operators.size() == 10);
}
