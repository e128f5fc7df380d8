// In which order the devices of a plan run the passes of their stages.
#pragma once

#include <vector>

#include "lamina/schedule.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {

// One pass of a stage: kForward, kBackward, kInputGradient or kWeightGradient.
struct PassStep {
  Action::Kind kind = Action::Kind::kForward;
  int stage = 0;
  int micro_batch = 0;
};

// Stages that take turns on the same devices, and all their passes in order.
struct Turns {
  std::vector<int> devices;
  std::vector<int> stages;
  std::vector<PassStep> steps;
};

// Throws kInvalidArgument when a stage cannot go on with the micro-batches in flight that the plan
// allows.
std::vector<Turns> order_passes(const Plan& plan, const StageGraph& graph,
                                const std::vector<StageCost>& costs);

}  // namespace lamina::pipeline
