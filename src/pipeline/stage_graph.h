// The stage graph of a plan: neighbours by stage, and an order.
#pragma once

#include <vector>

#include "lamina/pipeline.h"

namespace lamina::pipeline {

// Whether backward passes come as input gradient and weight gradient.
inline bool splits_backward(ScheduleKind schedule) {
  return schedule == ScheduleKind::kSplit || schedule == ScheduleKind::kZeroBubble;
}
inline bool splits_backward(const Plan& plan) { return splits_backward(plan.schedule); }

// What a stage holds of what its operators save, and of what their weight gradients need besides
// where backward passes are split: of a micro-batch in flight, and while a pass runs. A stage that
// recomputes has all of it while its backward pass runs, or until the weight gradient.
struct KeptBytes {
  double saved = 0.0;
  double workspace = 0.0;
};
inline KeptBytes kept_bytes(double saved, double split, bool recompute, bool splits) {
  const double again = recompute ? saved : 0.0;
  return splits ? KeptBytes{saved + split, again} : KeptBytes{saved - again, again};
}

// The stage of every operator; -1: of none. Operators must be in range.
std::vector<int> stage_of_operators(const Computation& computation, const Plan& plan);

struct StageGraph {
  std::vector<StageEdge> edges;
  std::vector<std::vector<int>> out;  // indices into `edges`, by stage
  std::vector<std::vector<int>> in;
  std::vector<int> order;  // topological; shorter than the stages where there is a cycle
};
StageGraph stage_graph(const Computation& computation, const Plan& plan);

}  // namespace lamina::pipeline
