// PipeDream's planner against all chains with all replications, and over nodes.
#include "pipeline/planners/pipedream.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "pipeline/planners.h"
#include "pipeline/planners/chain_costs.h"
#include "pipeline/planners/chains_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// The sum over operators between two sets, and a border whose cost is the size of the set: enough
// to tell whether a stage got the right ones.
struct ToyCosts {
  std::vector<double> seconds;
  std::vector<double> border_s;

  double load(int inner, int outer, int replicas) const {
    const double sum =
        seconds[static_cast<std::size_t>(outer)] - seconds[static_cast<std::size_t>(inner)];
    return sum / replicas + 0.5 * (replicas - 1);
  }
};

// The best of all chains from set `inner` on, on exactly so many machines: by recursion without
// memory, last stages first as in the definition.
double best_chain(const Downsets& sets, const ToyCosts& costs, int set, int machines) {
  double best = costs.load(0, set, machines);
  for (int inner = 1; inner < set; ++inner) {
    if (!sets.inside(inner, set)) continue;
    for (int replicas = 1; replicas < machines; ++replicas) {
      const double in = costs.border_s[static_cast<std::size_t>(inner)] / replicas;
      const double out =
          set == sets.size() - 1 ? 0.0 : costs.border_s[static_cast<std::size_t>(set)] / replicas;
      const double own = std::max({costs.load(inner, set, replicas), in, out});
      best = std::min(best, std::max(own, best_chain(sets, costs, inner, machines - replicas)));
    }
  }
  return best;
}

// A chain of operators of so many seconds each, forward only.
Computation chain_net(const std::vector<double>& seconds) {
  Computation net;
  net.name = "chain";
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    net.operators.push_back({.name = "op" + std::to_string(i), .forward_s = seconds[i]});
    if (i > 0) net.edges.push_back({static_cast<int>(i) - 1, static_cast<int>(i), 0.0});
  }
  return net;
}

}  // namespace

TEST_CASE("the slowest stage is that of the best chain with replication") {
  Rng rng(1);
  for (int i = 0; i < 20; ++i) {
    const Computation net = test::random_costs(6, rng);
    const Downsets sets(6, pairs_of(net), 1000, Deadline(0.0));
    ToyCosts costs;
    std::vector<double> seconds;
    for (const Operator& op : net.operators) seconds.push_back(op.forward_s);
    costs.seconds = sets.sums(seconds);
    costs.border_s = sets.sums(std::vector<double>(6, 1.0));
    const int machines = static_cast<int>(rng.integer(1, 4));
    MachineLevel level{machines, {}, costs.border_s};
    const std::vector<std::vector<int>> supersets = supersets_of(sets, 1'000'000, Deadline(0.0));
    std::vector<ReplicatedLoad> loads;
    level.loads = [&](int inner) {
      loads.clear();
      for (const int outer : supersets[static_cast<std::size_t>(inner)]) {
        for (int r = 1; r <= machines; ++r)
          loads.push_back({costs.load(inner, outer, r), machines});
      }
      return std::span<const ReplicatedLoad>(loads);
    };
    LevelSearch search(sets, supersets, level);
    REQUIRE(search.run(0, Deadline(0.0)));
    const int all = sets.size() - 1;
    const double best = best_chain(sets, costs, all, machines);
    CHECK(search.seconds(all, machines) == best);
    int used = 0, end = 0;
    for (const ReplicatedStage& stage : search.stages(all, machines)) {
      CHECK(stage.inner == end);
      end = stage.outer;
      used += stage.replicas;
      CHECK(costs.load(stage.inner, stage.outer, stage.replicas) <= best);
    }
    CHECK(end == all);
    CHECK(used == machines);
  }
}

TEST_CASE("a slow operator is replicated") {
  const Computation net = chain_net({4.0, 12.0, 4.0});
  PlanOptions options;
  options.batch = 24;
  options.micro_batch = 3;
  const Planned planned =
      make_plan(net, uniform_cluster(5, 1e9, {1e9, 0.0}, 5), PlannerKind::kPipeDream, options);
  REQUIRE(planned.plan.has_value());
  REQUIRE(planned.plan->stages.size() == 3);
  CHECK(planned.plan->planner == "pipedream");
  CHECK(planned.plan->stages[0].devices.size() == 1);
  CHECK(planned.plan->stages[1].devices.size() == 3);
  // Two devices do not divide three samples.
  options.micro_batch = 1;
  const Planned alone =
      make_plan(net, uniform_cluster(5, 1e9, {1e9, 0.0}, 5), PlannerKind::kPipeDream, options);
  REQUIRE(alone.plan.has_value());
  for (const Stage& stage : alone.plan->stages) CHECK(stage.devices.size() == 1);
}

// Two nodes of two devices; sums between nodes take long, so that no stage has devices of both.
TEST_CASE("nodes are machines of the second level") {
  Computation net = chain_net({4.0, 4.0, 4.0, 4.0});
  for (Operator& op : net.operators) op.parameter_bytes = 100.0;
  Cluster cluster = uniform_cluster(4, 1e9, {1e6, 0.0}, 2);
  cluster.between.bytes_per_s = 1e-3;
  PlanOptions options;
  options.batch = 32;
  options.micro_batch = 4;
  const Planned planned = make_plan(net, cluster, PlannerKind::kPipeDream, options);
  REQUIRE(planned.plan.has_value());
  for (const Stage& stage : planned.plan->stages) {
    for (const int device : stage.devices) {
      CHECK(cluster.devices[static_cast<std::size_t>(device)].node ==
            cluster.devices[static_cast<std::size_t>(stage.devices.front())].node);
    }
  }
  double slowest = 0.0;
  for (const StageCost& cost : stage_costs(net, cluster, *planned.plan)) {
    slowest = std::max(slowest, cost.forward_s);
  }
  CHECK(slowest == 4.0 * 4);  // a sample takes 4 seconds at each of the four devices
}

// 24 operators that do not depend on each other have 16 million downsets, 12 have 4,096.
TEST_CASE("networks with too many antichains have no plan, which names the planner of one order") {
  const auto beside = [](std::size_t operators) {
    Computation net = chain_net(std::vector<double>(operators, 1.0));
    net.edges.clear();
    return net;
  };
  PlanOptions options;
  options.batch = 8;
  options.micro_batch = 1;
  options.limit_s = 0.2;
  const Cluster cluster = uniform_cluster(4, 1e9, {1e9, 0.0}, 4);
  const Planned none = make_plan(beside(24), cluster, PlannerKind::kPipeDream, options);
  CHECK(!none.plan);
  CHECK(none.reason.find("stopped after 0.2 s") == 0);
  CHECK(none.reason.find("pipedream-linear") != std::string::npos);
  CHECK(none.search_s < 2.0);
  options.limit_s = 0.0;
  const Planned searched = make_plan(beside(12), cluster, PlannerKind::kPipeDream, options);
  REQUIRE(searched.plan.has_value());
  CHECK(searched.plan->planner == "pipedream");
  const Planned line = make_plan(beside(24), cluster, PlannerKind::kPipeDreamLinear, options);
  REQUIRE(line.plan.has_value());
  CHECK(line.plan->planner == "pipedream-linear");
  CHECK(line.plan->stages.size() == 4);
}
