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

// Micro-batches to try: that of the options, or the powers of two that divide the batch.
std::vector<int> micro_batches(const PlanOptions& options);
// Whether all devices of the plan's stages have the memory that they need.
bool fits(const Computation& computation, const Cluster& cluster, const Plan& plan);
// Seconds of an iteration, simulated.
double iteration_seconds(const Computation& computation, const Cluster& cluster, const Plan& plan);

}  // namespace lamina::pipeline
