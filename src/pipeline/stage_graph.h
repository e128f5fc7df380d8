// The stage graph of a plan: neighbours by stage, and an order.
#pragma once

#include <vector>

#include "lamina/pipeline.h"

namespace lamina::pipeline {

// Whether backward passes come as input gradient and weight gradient.
inline bool splits_backward(const Plan& plan) {
  return plan.schedule == ScheduleKind::kSplit || plan.schedule == ScheduleKind::kZeroBubble;
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
