// In which order the stages of a plan run their passes.
#pragma once

#include <vector>

#include "lamina/schedule.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {

// One pass of a stage: kForward, kBackward, kInputGradient or kWeightGradient.
struct PassStep {
  Action::Kind kind = Action::Kind::kForward;
  int micro_batch = 0;
};

// By stage. Throws kInvalidArgument when a stage cannot go on with the micro-batches in flight that
// the plan allows.
std::vector<std::vector<PassStep>> order_passes(const Plan& plan, const StageGraph& graph,
                                                const std::vector<StageCost>& costs);

}  // namespace lamina::pipeline
