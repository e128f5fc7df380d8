// GraphPipe's planner against brute force, chains and closed forms.
#include <doctest/doctest.h>

#include <cstdlib>

#include "base/rng.h"
#include "lamina/error.h"
#include "lamina/pipeline.h"
#include "pipeline/planners.h"
#include "pipeline/planners/brute_force_for_test.h"
#include "pipeline/planners/graphpipe_price.h"
#include "pipeline/random_plan_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

Cluster cluster_of(int devices) { return uniform_cluster(devices, 1e9, {1e9, 0.0}, devices); }

EqualDevices equal_devices(const Cluster& cluster) {
  EqualDevices devices;
  devices.count = devices.per_node = static_cast<int>(cluster.devices.size());
  devices.memory_bytes = cluster.devices.front().memory_bytes;
  devices.edges = devices.inside = devices.between = cluster.inside;
  return devices;
}

Plan plan_of(const Computation& net, const Cluster& cluster, const PlanOptions& options) {
  const Planned planned = make_plan(net, cluster, PlannerKind::kGraphPipe, options);
  REQUIRE_MESSAGE(planned.plan, planned.reason);
  return *planned.plan;
}

}  // namespace

// Section 1.4's law: (M + D - 1) (f + b) for equal stages, D the longest path.
TEST_CASE("towers with a device for every layer") {
  const Computation net = test::towers_network({4, 8, 0.0});
  const Cluster cluster = cluster_of(32);
  const Plan plan = plan_of(net, cluster, {.batch = 32, .micro_batch = 1});
  CHECK(plan.stages.size() == 32);  // the join is free, and goes with a last layer
  CHECK(depth(net, plan) == 9);     // all others are before it
  const Plan roomy = plan_of(net, cluster_of(33), {.batch = 32, .micro_batch = 1});
  CHECK(iteration_seconds(net, cluster_of(33), roomy) == doctest::Approx((32 + 8 - 1) * 3.0));
}

TEST_CASE("predictions are no better than all acyclic partitions, and mostly as good") {
  Rng rng(1);
  int equal = 0;
  double gaps = 0.0;
  constexpr int kRounds = 100;
  for (int round = 0; round < kRounds; ++round) {
    const auto count = static_cast<int>(rng.integer(4, 8));
    const Computation net = test::series_parallel_network(count, rng);
    const Cluster cluster = cluster_of(static_cast<int>(rng.integer(2, 5)));
    const PlanOptions options{.batch = 8, .micro_batch = count <= 6 && rng.chance(0.5) ? 2 : 1};
    const Plan plan = plan_of(net, cluster, options);
    const Pricing pricing(net, equal_devices(cluster), options, options.micro_batch);
    const double least = test::BruteForce(net, pricing).best();
    const double ours = predicted_seconds(net, equal_devices(cluster), options, plan);
    CHECK(ours >= least * (1.0 - 1e-9));
    equal += ours <= least * (1.0 + 1e-9) ? 1 : 0;
    gaps += ours / least - 1.0;
  }
  MESSAGE("equal " << equal << " gaps " << gaps / kRounds);
  CHECK(equal > 60);
  CHECK(gaps / kRounds < 0.02);
}
