// Piper's planner against all chains in all ways, and what its plans do about memory.
#include "pipeline/planners/piper.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "pipeline/planners.h"
#include "pipeline/planners/chain_costs.h"
#include "pipeline/planners/chains_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

double seconds_at(const StageWay& way, int sum) {
  for (const StageWay::Step& step : way.steps) {
    if (sum <= step.most) return step.seconds;
  }
  return kNever;
}

// The best chain of what is outside `inner`, by recursion without memory. Sums grow from the last
// stage on, so that a chain is tried with every sum that it may have.
double best_chain(const Downsets& sets, const PiperProblem& problem, int inner, int devices,
                  int sum) {
  if (inner == sets.size() - 1) return 0.0;
  double best = kNever;
  for (int outer = inner + 1; outer < sets.size(); ++outer) {
    if (!sets.inside(inner, outer)) continue;
    const std::span<const StageWay> given = problem.ways(inner, outer);
    const std::vector<StageWay> ways(given.begin(), given.end());
    for (const StageWay& way : ways) {
      if (way.devices > devices || way.share > sum) continue;
      const double rest = best_chain(sets, problem, outer, devices - way.devices, sum - way.share);
      best = std::min(best, std::max(rest, seconds_at(way, sum)));
    }
  }
  return best;
}

Computation chain_net(int operators, double parameters, double saved) {
  Computation net;
  net.name = "chain";
  for (int i = 0; i < operators; ++i) {
    net.operators.push_back({.name = "op" + std::to_string(i),
                             .forward_s = 1.0,
                             .input_gradient_s = 1.0,
                             .weight_gradient_s = 1.0,
                             .parameter_bytes = parameters,
                             .saved_bytes = saved});
    if (i > 0) net.edges.push_back({i - 1, i, 0.0});
  }
  return net;
}

}  // namespace

TEST_CASE("the slowest stage is that of the best chain in the best ways") {
  Rng rng(1);
  for (int i = 0; i < 30; ++i) {
    const Computation net = test::random_costs(5, rng);
    const Downsets sets(5, pairs_of(net), 1000, Deadline(0.0));
    std::vector<double> values;
    for (const Operator& op : net.operators) values.push_back(op.forward_s);
    const std::vector<double> seconds = sets.sums(values);
    const int room = static_cast<int>(rng.integer(8, 40));
    std::vector<StageWay> ways;
    PiperProblem problem{4, 4, [&](int inner, int outer) {
                           const double sum = seconds[static_cast<std::size_t>(outer)] -
                                              seconds[static_cast<std::size_t>(inner)];
                           ways.clear();
                           for (const int devices : {1, 2, 3}) {
                             // Memory: as many in flight as the room has for the operators' time, 3
                             // more, slower.
                             const auto most = static_cast<int>(room * devices / sum);
                             StageWay way{devices, i % 2 == 0 ? 1 : devices, {}};
                             if (most > 0) way.steps.push_back({most, sum / devices});
                             way.steps.push_back({most + 1, 1.5 * sum / devices});
                             ways.push_back(way);
                           }
                           return std::span<const StageWay>(ways);
                         }};
    const PiperResult ours = fastest_chain(sets, problem, Deadline(0.0));
    double best = kNever;
    for (int sum = 1; sum <= problem.most_sum; ++sum) {
      best = std::min(best, best_chain(sets, problem, 0, problem.devices, sum));
    }
    if (best == kNever) {
      CHECK(ours.stages.empty());
      continue;
    }
    CHECK(ours.seconds == doctest::Approx(best));
    double slowest = 0.0;
    for (const PiperStage& stage : ours.stages) {
      const StageWay way =
          problem.ways(stage.inner, stage.outer)[static_cast<std::size_t>(stage.way)];
      slowest = std::max(slowest, seconds_at(way, stage.sum));
    }
    CHECK(slowest == doctest::Approx(best));
  }
}

// Four operators on four devices: one each takes the least time, and needs 100 bytes and 10 for
// each of 4, 3, 2 and 1 micro-batches in flight. Without saved tensors 10 are the workspace.
TEST_CASE("stages recompute where memory is short") {
  const Computation net = chain_net(4, 25.0, 10.0);
  PlanOptions options;
  options.batch = 16;
  options.micro_batch = 1;
  const auto plan = [&](double bytes) {
    return make_plan(net, uniform_cluster(4, bytes, {1e9, 0.0}, 4), PlannerKind::kPiper, options);
  };
  REQUIRE(plan(140.0).plan.has_value());
  CHECK(plan(140.0).plan->stages.size() == 4);
  CHECK_FALSE(plan(130.0).plan.has_value());
  CHECK(plan(130.0).reason == "no plan fits the memory");
  options.recompute = true;
  const Planned planned = plan(130.0);
  REQUIRE(planned.plan.has_value());
  std::vector<bool> recompute;
  for (const Stage& stage : planned.plan->stages) recompute.push_back(stage.recompute);
  CHECK(recompute == std::vector<bool>{true, false, false, false});
}

TEST_CASE("limits: downsets and time") {
  Computation net = chain_net(16, 0.0, 0.0);
  net.edges.clear();
  PlanOptions options;
  options.batch = 8;
  const Cluster cluster = uniform_cluster(4, 1e9, {1e9, 0.0}, 4);
  const Planned many = make_plan(net, cluster, PlannerKind::kPiper, options);
  CHECK_FALSE(many.plan.has_value());
  CHECK(many.reason == "the network has more than 40000 downsets");
  options.limit_s = 1e-6;
  for (const PlannerKind kind :
       {PlannerKind::kPiper, PlannerKind::kPipeDream, PlannerKind::kPipeDreamLinear,
        PlannerKind::kIdeals, PlannerKind::kLinear, PlannerKind::kAlpa}) {
    const Planned stopped = make_plan(net, cluster, kind, options);
    CHECK_FALSE(stopped.plan.has_value());
    CHECK(stopped.reason.find("stopped after 1e-06 s") == 0);
  }
}

TEST_CASE("plans of random networks are valid, and no worse than one device") {
  Rng rng(5);
  for (int i = 0; i < 12; ++i) {
    const Computation net = test::random_costs(9, rng);
    Cluster cluster = uniform_cluster(4, 1e5, {1e3, 1e-3}, 2);
    if (i % 3 == 0) cluster.devices[3].speed = 2.0;
    PlanOptions options;
    options.batch = 16;
    options.schedule = i % 2 == 0 ? ScheduleKind::kOneF1B : ScheduleKind::kSplit;
    for (const PlannerKind kind :
         {PlannerKind::kPiper, PlannerKind::kPipeDream, PlannerKind::kPipeDreamLinear,
          PlannerKind::kIdeals, PlannerKind::kLinear, PlannerKind::kAlpa}) {
      const Planned planned = make_plan(net, cluster, kind, options);
      REQUIRE(planned.plan.has_value());
      CHECK(planned.plan->chain);
      CHECK(depth(net, *planned.plan) == static_cast<int>(planned.plan->stages.size()));
      double all_s = 0.0;
      for (const Operator& op : net.operators) {
        all_s += op.forward_s + op.input_gradient_s + op.weight_gradient_s;
      }
      CHECK(iteration_seconds(net, cluster, *planned.plan) < options.batch * all_s);
    }
  }
}
