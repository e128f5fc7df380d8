// What the planners that make chains of stages know of a network and a cluster: times and memory of
// a stage between two downsets. The numbers are those of stage_costs() and stage_memory(), for a
// chain of stages with equal micro-batches whose messages go to the next stage only.
#pragma once

#include <utility>
#include <vector>

#include "lamina/pipeline.h"
#include "pipeline/planners/downsets.h"

namespace lamina::pipeline {

// What a stage between two downsets adds up to: seconds a sample and a pass, of its forward passes
// and of all; bytes, of tensors a sample.
struct StageSums {
  int inner = 0;
  int outer = 0;
  double forward_rate = 0.0, forward_fixed = 0.0;
  double rate = 0.0, fixed = 0.0;
  double parameters = 0.0, fixed_bytes = 0.0, saved = 0.0, split = 0.0;
  double in = 0.0, out = 0.0;  // over its borders
};

// The edges of a network as pairs, and its tensors as flows, whose cost is their bytes a sample.
std::vector<std::pair<int, int>> pairs_of(const Computation& computation);
std::vector<Flow> tensors_of(const Computation& computation);

// An order of the operators in which each branch is followed as far as it goes: depth first, as
// producers allow. `edges` are pairs (from, to).
std::vector<int> linear_order(int nodes, const std::vector<std::pair<int, int>>& edges);
// The edges of a chain in that order.
std::vector<std::pair<int, int>> chain_of(const std::vector<int>& order);

class ChainCosts {
 public:
  // The sets must outlive it. Memory is that of the smallest device, times `memory_share`; speed
  // that of the slowest one; links are those between nodes where there are several.
  ChainCosts(const Computation& computation, const Cluster& cluster, const PlanOptions& options,
             const Downsets& sets);
  void set_micro_batch(int samples) { micro_batch_ = samples; }
  void set_memory_share(double share) { memory_share_ = share; }
  void set_link(const Link& link) { link_ = link; }

  int micro_batch() const { return micro_batch_; }
  int micro_batches() const { return options_.batch / micro_batch_; }
  const Downsets& sets() const { return sets_; }
  bool divides(int devices) const { return micro_batch_ % devices == 0; }

  // The stage of the operators of `outer` that are not in `inner`.
  StageSums sums(int inner, int outer) const;
  // Seconds a sample of all passes, and of the sum of the gradients over the devices.
  double seconds(const StageSums& stage, int devices, bool recompute = false) const;
  double reduce_s(const StageSums& stage, int devices) const;
  // Seconds a sample of what crosses the stage's borders, forwards and its gradients backwards,
  // over the link of one device.
  double transfer_s(const StageSums& stage) const {
    return 2.0 * (stage.in + stage.out) / link_.bytes_per_s;
  }
  // The same for all that crosses the border of a set.
  double border_s(int set) const { return 2.0 * crossings_.border(set) / link_.bytes_per_s; }
  // The most stages, itself and those after it, with which it fits the memory.
  int most_stages(const StageSums& stage, int devices, bool recompute = false) const;

 private:
  double workspace_bytes(const StageSums& stage) const;

  const Computation& computation_;
  PlanOptions options_;
  const Downsets& sets_;
  Crossings crossings_;
  Link link_;
  double speed_ = 1.0;
  double memory_bytes_ = 0.0;
  double memory_share_ = 1.0;
  int micro_batch_ = 1;
  std::vector<StageSums> sums_;  // by set, of the stage that is all of it
  double most_workspace_ = 0.0;
};

}  // namespace lamina::pipeline
