// Chains of equal shares.
#include <doctest/doctest.h>

#include "lamina/error.h"
#include "lamina/pipeline.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

// Four operators in a line, of which the last takes a second a sample as all do, and six a pass.
Computation line() {
  Computation net;
  net.name = "line";
  for (const double fixed_s : {0.0, 0.0, 0.0, 6.0}) {
    net.operators.push_back({.name = "op", .forward_s = 1.0, .fixed_s = fixed_s});
  }
  net.edges = {{0, 1, 1.0}, {1, 2, 1.0}, {2, 3, 1.0}};
  return net;
}

std::vector<std::vector<int>> stages(const PlanOptions& options) {
  const Cluster cluster = uniform_cluster(2, 1e9, {1e9, 0.0}, 2);
  const Planned planned = make_plan(line(), cluster, PlannerKind::kChain, options);
  REQUIRE(planned.plan.has_value());
  std::vector<std::vector<int>> operators;
  for (const Stage& stage : planned.plan->stages) operators.push_back(stage.operators);
  return operators;
}

}  // namespace

TEST_CASE("shares are equal at the micro-batch, with what a pass takes whatever its samples") {
  using Stages = std::vector<std::vector<int>>;
  CHECK(stages({.batch = 64, .micro_batch = 2}) == Stages{{0, 1, 2}, {3}});
  CHECK(stages({.batch = 64, .micro_batch = 64}) == Stages{{0, 1}, {2, 3}});
}
