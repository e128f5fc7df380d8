// Plans of chains of stages: which devices run them, whether they fit, how long they take.
#include "pipeline/planners/chain_judge.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "pipeline/planners.h"

namespace lamina::pipeline {
namespace {

// Devices by node, one stage after the other in the given order of stages.
void place(Plan& plan, const std::vector<int>& counts, const std::vector<std::size_t>& order,
           const Cluster& cluster) {
  std::vector<int> devices(cluster.devices.size());
  std::iota(devices.begin(), devices.end(), 0);
  std::stable_sort(devices.begin(), devices.end(), [&](int a, int b) {
    return cluster.devices[static_cast<std::size_t>(a)].node <
           cluster.devices[static_cast<std::size_t>(b)].node;
  });
  auto next = devices.begin();
  for (const std::size_t s : order) {
    plan.stages[s].devices.assign(next, next + counts[s]);
    next += counts[s];
  }
}

}  // namespace

ChainJudge::ChainJudge(const Computation& computation, const Cluster& cluster,
                       const PlanOptions& options, std::string planner)
    : computation_(computation),
      cluster_(cluster),
      options_(options),
      planner_(std::move(planner)) {}

// Stages stand side by side in their own order, and with those of many devices first, so that
// fewer of these reach over a node's border.
double ChainJudge::offer(const Downsets& sets, const std::vector<ChainStage>& stages,
                         int micro_batch) {
  Plan plan{computation_.name, planner_, options_.batch, options_.schedule, {}, true};
  std::vector<int> counts;
  for (const ChainStage& stage : stages) {
    const bool shard = options_.shard_optimizer && stage.devices > 1;
    plan.stages.push_back(
        {sets.between(stage.inner, stage.outer), {}, micro_batch, 1, stage.recompute, shard});
    counts.push_back(stage.devices);
  }
  std::vector<std::size_t> order(stages.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  place(plan, counts, order, cluster_);
  set_in_flight(computation_, plan);
  const double share = judge(plan);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
  if (std::is_sorted(order.begin(), order.end())) return share;
  place(plan, counts, order, cluster_);
  return std::min(share, judge(plan));
}

double ChainJudge::judge(const Plan& plan) {
  const std::vector<double> bytes = stage_memory(computation_, cluster_, plan);
  double share = 0.0;
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    for (const int device : plan.stages[s].devices) {
      share = std::max(share,
                       bytes[s] / cluster_.devices[static_cast<std::size_t>(device)].memory_bytes);
    }
  }
  if (share > 1.0) return share;
  const double seconds = iteration_seconds(computation_, cluster_, plan);
  if (!best_.plan || seconds < best_s_) {
    best_.plan = plan;
    best_s_ = seconds;
  }
  return share;
}

Planned ChainJudge::result(const std::string& reason) && {
  best_.reason = reason;
  return std::move(best_);
}

Planned search_chains(ChainJudge judge, ChainCosts& costs, const PlanOptions& options,
                      const Deadline& deadline, const ChainSearch& search) {
  constexpr int kTries = 5;
  bool found = false;
  for (const int size : micro_batches(options, judge.cluster())) {
    costs.set_micro_batch(size);
    double share = 1.0;
    for (int i = 0; i < kTries && !deadline.passed(); ++i) {
      costs.set_memory_share(share);
      const FoundChain chain = search(costs);
      judge.add_states(chain.states);
      if (chain.stages.empty()) break;
      const double needed = judge.offer(costs.sets(), chain.stages, size);
      found = found || needed <= 1.0;
      if (needed <= 1.0) break;
      share *= 0.99 / needed;
    }
  }
  std::string reason;
  if (deadline.passed()) {
    reason = fmt::format("stopped after {} s", deadline.limit_s());
  } else if (!found) {
    reason = "no plan fits the memory";
  }
  return std::move(judge).result(reason);
}

}  // namespace lamina::pipeline
