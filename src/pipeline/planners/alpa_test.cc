// Alpa's planner against all chains.
#include "pipeline/planners/alpa.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/rng.h"
#include "pipeline/planners.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// The least objective of all chains from `layer` on that continue one with this sum and largest.
double best_chain(const AlpaProblem& problem, int layer, int devices, double sum, double largest,
                  std::vector<int>& limits) {
  if (layer == static_cast<int>(problem.options.size())) {
    for (std::size_t i = 0; i < limits.size(); ++i) {
      if (static_cast<int>(limits.size() - i) > limits[i]) return kNever;
    }
    return sum + (problem.micro_batches - 1) * largest;
  }
  double best = kNever;
  for (const AlpaOption& option : problem.options[static_cast<std::size_t>(layer)]) {
    if (option.devices > devices) continue;
    limits.push_back(option.most);
    best =
        std::min(best, best_chain(problem, option.next, devices - option.devices,
                                  sum + option.seconds, std::max(largest, option.seconds), limits));
    limits.pop_back();
  }
  return best;
}

}  // namespace

TEST_CASE("the least sum and largest time are those of the best chain") {
  Rng rng(1);
  for (int i = 0; i < 60; ++i) {
    AlpaProblem problem;
    problem.devices = static_cast<int>(rng.integer(1, 5));
    problem.micro_batches = static_cast<int>(rng.integer(1, 20));
    constexpr int kLayers = 5;
    std::vector<double> seconds;
    for (int layer = 0; layer < kLayers; ++layer) {
      seconds.push_back(static_cast<double>(rng.integer(1, 40)));
    }
    for (int first = 0; first < kLayers; ++first) {
      std::vector<AlpaOption>& options = problem.options.emplace_back();
      double sum = 0.0;
      for (int next = first + 1; next <= kLayers; ++next) {
        sum += seconds[static_cast<std::size_t>(next) - 1];
        for (const int mesh : {1, 2, 4}) {
          const auto most = static_cast<int>(rng.integer(1, 5));
          options.push_back({next, mesh, sum / mesh + 2.0 * (mesh - 1), most, false});
        }
      }
      std::sort(options.begin(), options.end(),
                [](const AlpaOption& a, const AlpaOption& b) { return a.seconds < b.seconds; });
    }
    std::vector<int> limits;
    const double best = best_chain(problem, 0, problem.devices, 0.0, 0.0, limits);
    const AlpaResult ours = least_sum(problem, Deadline(0.0));
    if (best == kNever) {
      CHECK(ours.stages.empty());
    } else {
      CHECK(ours.seconds == doctest::Approx(best));
    }
  }
}

// 100 operators are more than there are layers; the last ones are the longest. One stage on both
// devices of a node takes the least time where there are few micro-batches.
TEST_CASE("a plan over layers and submeshes") {
  Computation net;
  net.name = "chain";
  for (int i = 0; i < 100; ++i) {
    net.operators.push_back({.name = "op", .forward_s = i < 90 ? 1e-3 : 1e-2});
    if (i > 0) net.edges.push_back({i - 1, i, 0.0});
  }
  const Cluster cluster = uniform_cluster(8, 1e9, {1e9, 0.0}, 2);
  PlanOptions options;
  options.batch = 64;
  const Planned planned = make_plan(net, cluster, PlannerKind::kAlpa, options);
  REQUIRE(planned.plan.has_value());
  CHECK(planned.plan->planner == "alpa");
  double devices = 0.0;
  for (const Stage& stage : planned.plan->stages) {
    devices += static_cast<double>(stage.devices.size());
  }
  CHECK(devices == 8.0);
  // Without sums of gradients and messages data parallelism alone is ideal.
  CHECK(iteration_seconds(net, cluster, *planned.plan) == doctest::Approx(64 * 0.19 / 8));
}
