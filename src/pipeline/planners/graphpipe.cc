// GraphPipe's planner (arXiv:2406.17145, section 5), with the predicted time of an iteration as its
// objective: docs/design/pipeline.md, "Planner".
#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "pipeline/planners.h"
#include "pipeline/planners/graphpipe_candidates.h"
#include "pipeline/planners/graphpipe_refine.h"

namespace lamina::pipeline {
namespace {

// Of candidates that are predicted to be slower than the best by no more than this some are
// simulated.
constexpr double kMargin = 0.1;

bool faster(const JudgedPlan& a, const JudgedPlan& b) { return a.iteration_s < b.iteration_s; }

constexpr double kSimulatedPasses = 2e5;  // at each slack

// Simulates the most promising of one view, as many as take a moment.
class Simulations {
 public:
  Simulations(const Computation& computation, const Cluster& cluster, const Deadline& deadline)
      : computation_(computation), cluster_(cluster), deadline_(deadline) {}

  // By what the search predicts, which knows equal devices and links of their own, and by the
  // estimate, which knows all of them but looks at each stage's messages alone.
  void run(const std::vector<Candidate>& candidates, int view) {
    constexpr int kMostPredicted = 30, kMostEstimated = 8;
    Ranking predicted, estimated;
    for (const Candidate& candidate : candidates) {
      if (candidate.view != view) continue;
      const double seconds = estimated_seconds(computation_, cluster_, candidate.plan);
      predicted.push_back({candidate.predicted_s, seconds, &candidate.plan});
      estimated.push_back({seconds, seconds, &candidate.plan});
    }
    std::stable_sort(estimated.begin(), estimated.end(),
                     [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
    constexpr double kNever = std::numeric_limits<double>::infinity();
    const double best_s = run(predicted, {kMostPredicted, 1.08, kNever});
    run(estimated, {kMostEstimated, 1.05, best_s});
  }

  // The fastest first.
  std::vector<JudgedPlan> take() {
    std::stable_sort(judged_.begin(), judged_.end(), faster);
    return std::move(judged_);
  }

 private:
  struct Ranked {
    double seconds = 0.0;  // by which it is ranked
    double estimated_s = 0.0;
    const Plan* plan = nullptr;
  };
  using Ranking = std::vector<Ranked>;

  struct Limits {
    int most = 0;
    double trusted = 1.0;  // times are seldom overrated by more
    double best_s = 0.0;   // simulated so far
  };

  static constexpr double kOverrated = 1.25;  // estimates are, by no more where plans are good

  // Returns the best simulated time. What takes so much longer is not looked at.
  double run(const Ranking& ranking, const Limits& limits) {
    double simulated = 0.0, best_s = limits.best_s;
    int plans = 0;
    for (const auto& [seconds, estimated_s, plan] : ranking) {
      if (seconds > limits.trusted * best_s || plans == limits.most) break;
      if (!judged_.empty() && deadline_.passed()) break;
      if (estimated_s > kOverrated * best_s) continue;
      if (!seen_.insert(to_json(*plan)).second) continue;
      simulated += passes(*plan);
      if (plans > 0 && simulated > kSimulatedPasses) break;
      judged_.push_back(best_slack(computation_, cluster_, *plan));
      best_s = std::min(best_s, judged_.back().iteration_s);
      ++plans;
    }
    return best_s;
  }

  const Computation& computation_;
  const Cluster& cluster_;
  const Deadline& deadline_;
  std::set<std::string> seen_;
  std::vector<JudgedPlan> judged_;
};

// What can be made of a plan in time, without the plan itself.
std::vector<Plan> refined(const Computation& computation, const Cluster& cluster, const Plan& plan,
                          const Deadline& deadline) {
  constexpr int kMoves = 64;
  std::vector<Plan> plans;
  const auto add = [&](Plan next) {
    if (next.stages != plan.stages && 2.0 * passes(next) <= kMostPasses)
      plans.push_back(std::move(next));
  };
  const Plan moved = move_operators(computation, cluster, plan, kMoves);
  add(moved);
  add(split_stages(computation, cluster, plan));
  if (deadline.passed()) return plans;
  if (moved.stages != plan.stages) add(split_stages(computation, cluster, moved));
  return plans;
}

}  // namespace

Planned plan_graphpipe(const Computation& computation, const Cluster& cluster,
                       const PlanOptions& options) {
  const Deadline deadline(options.limit_s);
  const Candidates candidates = find_candidates(computation, structure_of(computation), cluster,
                                                options, {deadline, kMargin});
  Planned planned;
  planned.states = candidates.states;
  const std::string stopped = fmt::format("stopped after {} s", options.limit_s);
  if (candidates.list.empty()) {
    planned.reason = candidates.stopped ? stopped
                                        : fmt::format("no plan fits the memory of the {} devices",
                                                      cluster.devices.size());
    return planned;
  }
  Simulations simulations(computation, cluster, deadline);
  for (int view = 0; view < candidates.views; ++view) simulations.run(candidates.list, view);
  const std::vector<JudgedPlan> judged = simulations.take();
  JudgedPlan best = judged.front();
  constexpr std::size_t kRefined = 20;
  double simulated = 0.0;
  for (std::size_t j = 0; j < std::min(kRefined, judged.size()); ++j) {
    simulated += passes(judged[j].plan);
    if ((j > 0 && simulated > kSimulatedPasses) || deadline.passed()) break;
    for (const Plan& plan : refined(computation, cluster, judged[j].plan, deadline)) {
      if (deadline.passed()) break;
      if (estimated_seconds(computation, cluster, plan) >= best.iteration_s) continue;
      best = std::min(best, best_slack(computation, cluster, plan), faster);
    }
  }
  if (deadline.passed()) planned.reason = stopped;
  planned.plan = std::move(best.plan);
  return planned;
}

}  // namespace lamina::pipeline
