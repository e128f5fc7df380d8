// Plans of the search, made better where the search does not look: by the real devices and links,
// operator by operator, and by simulation.
#pragma once

#include "lamina/pipeline.h"

namespace lamina::pipeline {

// Critical path + (M - 1) x bottleneck, with the devices and links that the plan has. Infinite
// where the stage graph has a cycle.
double estimated_seconds(const Computation& computation, const Cluster& cluster, const Plan& plan);

// Moves operators over the borders of stages as long as the estimate falls and the plan fits. At
// most so many moves.
Plan move_operators(const Computation& computation, const Cluster& cluster, Plan plan, int moves);

// Parts of a stage that need not wait for each other's tensors become stages that share its
// devices: others need not wait for what they do not need.
Plan split_stages(const Computation& computation, const Cluster& cluster, const Plan& plan);

// Sets in_flight to what 1F1B needs and so many more, where there is memory.
Plan with_slack(const Computation& computation, const Cluster& cluster, Plan plan, int slack);

struct JudgedPlan {
  Plan plan;
  double iteration_s = 0.0;  // simulated
};
// Forward passes of an iteration, on all devices.
double passes(const Plan& plan);
// The plan with the slack that makes it fastest: the smallest that comes near; of plans with many
// passes, none or the most.
JudgedPlan best_slack(const Computation& computation, const Cluster& cluster, const Plan& plan);

}  // namespace lamina::pipeline
