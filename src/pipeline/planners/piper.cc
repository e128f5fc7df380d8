// Piper's planner: chains of stages with replication, each of which may recompute.
#include "pipeline/planners/piper.h"

#include <algorithm>

#include "pipeline/planners.h"
#include "pipeline/planners/chain_judge.h"

namespace lamina::pipeline {
namespace {

// The ways of a stage: on so many devices as divide a micro-batch, with forward passes run again
// where later stages are so many that it does not fit otherwise.
class Ways {
 public:
  Ways(const ChainCosts& costs, int devices, bool recompute)
      : costs_(costs), recompute_(recompute) {
    for (int d = 1; d <= devices; ++d) {
      if (costs.micro_batch() % d == 0) degrees_.push_back(d);
    }
    ways_.resize(degrees_.size());
  }

  std::span<const StageWay> operator()(int inner, int outer) {
    const StageSums stage = costs_.sums(inner, outer);
    for (std::size_t i = 0; i < degrees_.size(); ++i) {
      ways_[i].devices = degrees_[i];
      ways_[i].steps.clear();
      add_step(stage, false, ways_[i]);
      if (recompute_) add_step(stage, true, ways_[i]);
    }
    return ways_;
  }

 private:
  void add_step(const StageSums& stage, bool recompute, StageWay& way) const {
    const int most = costs_.most_stages(stage, way.devices, recompute);
    if (most <= (way.steps.empty() ? 0 : way.steps.back().most)) return;
    way.steps.push_back({most, costs_.seconds(stage, way.devices, recompute) +
                                   costs_.reduce_s(stage, way.devices) +
                                   costs_.transfer_s(stage) / way.devices});
  }

  const ChainCosts& costs_;
  bool recompute_;
  std::vector<int> degrees_;
  std::vector<StageWay> ways_;
};

}  // namespace

Planned plan_piper(const Computation& computation, const Cluster& cluster,
                   const PlanOptions& options) {
  constexpr int kMostDownsets = 40'000;
  const Deadline deadline(options.limit_s);
  const auto devices = static_cast<int>(cluster.devices.size());
  const Downsets sets(static_cast<int>(computation.operators.size()), pairs_of(computation),
                      kMostDownsets, deadline);
  if (!sets.complete()) return {std::nullopt, sets.reason(), 0.0, sets.size()};
  ChainCosts costs(computation, cluster, options, sets);
  const auto search = [&](const ChainCosts& at) {
    Ways ways(at, devices, options.recompute);
    const auto stages = static_cast<int>(computation.operators.size());
    const PiperProblem problem{devices, std::min(devices, stages), ways};
    const PiperResult best = fastest_chain(sets, problem, deadline);
    FoundChain chain{{}, best.states};
    for (const PiperStage& stage : best.stages) {
      const StageWay way = ways(stage.inner, stage.outer)[static_cast<std::size_t>(stage.way)];
      const bool recompute = way.steps.front().most < stage.sum ||
                             at.most_stages(at.sums(stage.inner, stage.outer), way.devices) == 0;
      chain.stages.push_back({stage.inner, stage.outer, way.devices, recompute});
    }
    return chain;
  };
  return search_chains({computation, cluster, options, "piper"}, costs, options, deadline, search);
}

}  // namespace lamina::pipeline
