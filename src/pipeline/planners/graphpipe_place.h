// Which devices run which stages.
#pragma once

#include <vector>

#include "pipeline/planners/graphpipe_search.h"

namespace lamina::pipeline {

struct Placing {
  const Computation& computation;
  const Cluster& cluster;
  const PlanOptions& options;
  const std::vector<int>& devices;  // that may be used
};
// A plan of these stages. Devices of a stage are of one node where a node has as many, and stages
// that exchange much follow each other. `in_flight` is what 1F1B needs.
Plan place(const Placing& placing, const std::vector<ChosenStage>& stages, int micro_batch);

}  // namespace lamina::pipeline
