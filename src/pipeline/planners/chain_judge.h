// Turns chains of stages into plans and keeps the best one: the planners that make chains differ in
// how they cut, and are judged alike.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pipeline/planners/chain_costs.h"

namespace lamina::pipeline {

// A stage of a chain: the operators of `outer` that are not in `inner`.
struct ChainStage {
  int inner = 0;
  int outer = 0;
  int devices = 1;
  bool recompute = false;
};

// Collects chains of stages, judged as plans of all planners are: memory and the simulator.
class ChainJudge {
 public:
  ChainJudge(const Computation& computation, const Cluster& cluster, const PlanOptions& options,
             std::string planner);

  // Keeps the plan if it fits and none before takes less time for an iteration. Returns the share
  // of its memory that the fullest device needs, at most 1 where the plan fits.
  double offer(const Downsets& sets, const std::vector<ChainStage>& stages, int micro_batch);
  const Cluster& cluster() const { return cluster_; }
  void add_states(std::int64_t states) { best_.states += states; }
  // The best plan, or the reason why there is none.
  Planned result(const std::string& reason) &&;

 private:
  double judge(const Plan& plan);

  const Computation& computation_;
  const Cluster& cluster_;
  PlanOptions options_;
  std::string planner_;
  Planned best_;
  double best_s_ = 0.0;
};

// One search for chains of stages under a memory limit: the stages of the best one in order, empty
// if nothing fits.
struct FoundChain {
  std::vector<ChainStage> stages;
  std::int64_t states = 0;
};
using ChainSearch = std::function<FoundChain(const ChainCosts& costs)>;
// Searches at every micro-batch. Where the judge finds a device too full, since messages may skip
// stages, it searches again with as much less memory, a few times. Ends at the deadline.
Planned search_chains(ChainJudge judge, ChainCosts& costs, const PlanOptions& options,
                      const Deadline& deadline, const ChainSearch& search);

}  // namespace lamina::pipeline
