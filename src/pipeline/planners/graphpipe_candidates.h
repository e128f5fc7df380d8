// Plans that GraphPipe's search finds, before they are refined and simulated.
#pragma once

#include <cstdint>
#include <vector>

#include "lamina/pipeline.h"
#include "pipeline/planners/deadline.h"
#include "pipeline/planners/graphpipe_price.h"
#include "pipeline/planners/series_parallel.h"

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
// The structure that is searched beside the line: the whole as a tangle if that is small enough.
SpTree structure_of(const Computation& computation);

struct SearchEnd {
  Deadline deadline;
  double margin = 0.0;  // candidates that are so much slower than the best so far are wanted too
};
// For every view the best of every micro-batch, and others on the way.
Candidates find_candidates(const Computation& computation, const SpTree& structure,
                           const Cluster& cluster, const PlanOptions& options,
                           const SearchEnd& end);

}  // namespace lamina::pipeline
