// The planners, one a file in src/pipeline/planners; planners.cc lists them.
#pragma once

#include "lamina/pipeline.h"

namespace lamina::pipeline {

// Makes a plan from valid input. make_plan() validates, measures the time and checks the result.
using Planner = Planned (*)(const Computation& computation, const Cluster& cluster,
                            const PlanOptions& options);

Planned plan_graphpipe(const Computation& computation, const Cluster& cluster,
                       const PlanOptions& options);
Planned plan_chain(const Computation& computation, const Cluster& cluster,
                   const PlanOptions& options);
Planned plan_pipedream(const Computation& computation, const Cluster& cluster,
                       const PlanOptions& options);
Planned plan_pipedream_linear(const Computation& computation, const Cluster& cluster,
                              const PlanOptions& options);
Planned plan_piper(const Computation& computation, const Cluster& cluster,
                   const PlanOptions& options);
Planned plan_alpa(const Computation& computation, const Cluster& cluster,
                  const PlanOptions& options);
Planned plan_ideals(const Computation& computation, const Cluster& cluster,
                    const PlanOptions& options);
Planned plan_linear(const Computation& computation, const Cluster& cluster,
                    const PlanOptions& options);

// Micro-batches to try, the smallest first: that of the options, or the batch and what divides it,
// each at least a third larger than the one before, without those of too many passes.
std::vector<int> micro_batches(const PlanOptions& options, const Cluster& cluster);
// Whether all devices of the plan's stages have the memory that they need.
bool fits(const Computation& computation, const Cluster& cluster, const Plan& plan);
// Seconds of an iteration, simulated.
double iteration_seconds(const Computation& computation, const Cluster& cluster, const Plan& plan);

}  // namespace lamina::pipeline
