// Plans that GraphPipe's search finds, before they are refined and simulated.
#pragma once

#include <cstdint>
#include <vector>

#include "lamina/pipeline.h"
#include "pipeline/planners/deadline.h"
#include "pipeline/planners/graphpipe_price.h"

namespace lamina::pipeline {

// Devices of the cluster that are treated as if they were equal to the slowest and smallest of
// them.
struct DeviceView {
  std::vector<int> devices;
  EqualDevices equal;
};
// All devices, and those that are at least so fast or have at least so much memory. Where nodes
// have other links between than inside, each twice: stages exchange messages over one or the other.
std::vector<DeviceView> device_views(const Cluster& cluster);

struct Candidate {
  double predicted_s = 0.0;
  int view = 0;  // of the searches
  Plan plan;     // fits the memory
};
struct Candidates {
  std::vector<Candidate> list;  // by what is predicted
  int views = 0;
  std::int64_t states = 0;
  bool stopped = false;  // by the deadline
};
// For every view the best of every micro-batch, and others on the way, of those within `margin` of
// the best so far.
Candidates find_candidates(const Computation& computation, const Cluster& cluster,
                           const PlanOptions& options, const Deadline& deadline, double margin);

}  // namespace lamina::pipeline
