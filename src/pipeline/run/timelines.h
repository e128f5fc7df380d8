// What the ranks did when, brought together.
#pragma once

#include <vector>

#include "lamina/schedule.h"
#include "pipeline/comm/transport.h"

namespace lamina::pipeline {

// By rank, at rank 0; empty elsewhere. To be called by all ranks.
std::vector<std::vector<TimedAction>> gather_timelines(Transport& transport, int tag,
                                                       const std::vector<TimedAction>& own);

// The share of a timeline's length in which passes run.
double busy_share(const std::vector<TimedAction>& timeline);

}  // namespace lamina::pipeline
