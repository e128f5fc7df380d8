// What the ranks did when, brought together.
#pragma once

#include <vector>

#include "lamina/schedule.h"
#include "pipeline/comm/transport.h"

namespace lamina::pipeline {

// By rank, at rank 0; empty elsewhere. To be called by all ranks.
std::vector<std::vector<TimedAction>> gather_timelines(Transport& transport, int tag,
                                                       const std::vector<TimedAction>& own);

// The share of an iteration in which the rank runs passes or the optimiser's step: what bubbles are
// not, here as in the simulator.
double busy_share(const std::vector<TimedAction>& timeline, double iteration_s);

}  // namespace lamina::pipeline
