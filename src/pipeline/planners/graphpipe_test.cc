// GraphPipe's planner against brute force, chains and closed forms.
#include <doctest/doctest.h>

#include <cstdlib>

#include "base/rng.h"
#include "lamina/error.h"
#include "lamina/pipeline.h"
#include "pipeline/planners.h"
#include "pipeline/planners/brute_force_for_test.h"
#include "pipeline/planners/graphpipe_candidates.h"
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

// (M + D - 1) (f + b) for equal stages, D the longest path.
TEST_CASE("towers with a device for every layer") {
  const Computation net = test::towers_network({4, 8, 0.0});
  const PlanOptions options{.batch = 32, .micro_batch = 1};
  const Candidates found = find_candidates(net, cluster_of(32), options, Deadline(0.0), 0.0);
  const Plan& searched = found.list.front().plan;
  CHECK(searched.stages.size() == 32);  // the join is free, and goes with a last layer
  CHECK(depth(net, searched) == 9);     // which all others are before
  // As a stage of its own on the same device it keeps nobody waiting.
  const Plan plan = plan_of(net, cluster_of(32), options);
  CHECK(plan.stages.size() == 33);
  CHECK(iteration_seconds(net, cluster_of(32), plan) == doctest::Approx((32 + 8 - 1) * 3.0));
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
    const Candidates found = find_candidates(net, cluster, options, Deadline(0.0), 0.0);
    const Pricing pricing(net, equal_devices(cluster), options, options.micro_batch);
    const double least = test::BruteForce(net, pricing).best();
    const double ours = found.list.front().predicted_s;
    CHECK(ours >= least * (1.0 - 1e-9));
    equal += ours <= least * (1.0 + 1e-9) ? 1 : 0;
    gaps += ours / least - 1.0;
  }
  MESSAGE(equal << " of " << kRounds << " equal, mean gap " << gaps / kRounds);
  CHECK(equal > 75);
  CHECK(gaps / kRounds < 0.01);
}
