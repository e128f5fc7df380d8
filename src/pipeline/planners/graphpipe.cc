// GraphPipe's planner (arXiv:2406.17145, section 5), with the predicted time of an iteration as its
// objective: docs/design/pipeline.md, "Planner".
#include <algorithm>

#include "base/check.h"
#include "pipeline/planners.h"
#include "pipeline/planners/graphpipe_candidates.h"
#include "pipeline/planners/graphpipe_refine.h"

namespace lamina::pipeline {
namespace {

// Candidates that are predicted to be slower than the best by no more than this are simulated.
constexpr double kMargin = 0.04;

// The most promising, as many as can be simulated in a moment; of each view of the cluster some,
// since only the simulator knows its real devices and links.
std::vector<Plan> to_simulate(const std::vector<Candidate>& candidates) {
  constexpr double kMostPasses = 2e5;
  constexpr std::size_t kMostPlans = 12;
  double passes = 0.0;
  std::vector<Plan> plans;
  for (const Candidate& candidate : candidates) {
    const Plan& plan = candidate.plan;
    if (candidate.predicted_s > (1.0 + kMargin) * candidates.front().predicted_s) break;
    if (std::find(plans.begin(), plans.end(), plan) != plans.end()) continue;
    for (const Stage& stage : plan.stages) {
      passes += static_cast<double>(stage.devices.size()) * plan.batch / stage.micro_batch;
    }
    if (!plans.empty() && (passes > kMostPasses || plans.size() == kMostPlans)) break;
    plans.push_back(plan);
  }
  return plans;
}

std::vector<Plan> refined(const Computation& computation, const Cluster& cluster,
                          const Plan& plan) {
  constexpr int kMoves = 64;
  std::vector<Plan> plans = {move_operators(computation, cluster, plan, kMoves),
                             split_stages(computation, cluster, plan)};
  plans.push_back(split_stages(computation, cluster, plans.front()));
  return plans;
}

}  // namespace

Planned plan_graphpipe(const Computation& computation, const Cluster& cluster,
                       const PlanOptions& options) {
  const Deadline deadline(options.limit_s);
  const Candidates candidates = find_candidates(computation, cluster, options, deadline, kMargin);
  Planned planned;
  planned.states = candidates.states;
  if (candidates.list.empty()) {
    planned.reason = candidates.stopped ? fmt::format("stopped after {} s", options.limit_s)
                                        : fmt::format("no plan fits the memory of the {} devices",
                                                      cluster.devices.size());
    return planned;
  }
  std::vector<JudgedPlan> judged;
  for (const Plan& plan : to_simulate(candidates.list)) {
    judged.push_back(best_slack(computation, cluster, plan));
  }
  const auto faster = [](const JudgedPlan& a, const JudgedPlan& b) {
    return a.iteration_s < b.iteration_s;
  };
  std::stable_sort(judged.begin(), judged.end(), faster);
  JudgedPlan best = judged.front();
  constexpr std::size_t kRefined = 3;
  for (std::size_t j = 0; j < std::min(kRefined, judged.size()); ++j) {
    for (const Plan& plan : refined(computation, cluster, judged[j].plan)) {
      best = std::min(best, best_slack(computation, cluster, plan), faster);
    }
  }
  planned.plan = std::move(best.plan);
  return planned;
}

}  // namespace lamina::pipeline
