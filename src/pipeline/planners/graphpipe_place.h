// Which devices run which stages.
#pragma once

#include <vector>

#include "pipeline/planners/graphpipe_search.h"

namespace lamina::pipeline {

// A plan of these stages, on some of `devices`. Devices of a stage are of one node where a node has
// as many, and stages that exchange much follow each other. `in_flight` is what 1F1B needs.
Plan place(const Computation& computation, const Cluster& cluster, const PlanOptions& options,
           const std::vector<int>& devices, const std::vector<ChosenStage>& stages,
           int micro_batch);

}  // namespace lamina::pipeline
