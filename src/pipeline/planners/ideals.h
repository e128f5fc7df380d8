// The smallest largest load of stages that run on one device each (Tarnawski et al., "Efficient
// Algorithms for Device Placement of DNN Graph Operators", NeurIPS 2020, section 5): dynamic
// programming over downsets and counts of devices of each kind.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "pipeline/planners/downsets.h"

namespace lamina::pipeline {

struct StageLoad {
  double seconds = std::numeric_limits<double>::infinity();
  int most = 0;  // stages, itself and those after it, with which it fits the memory
};
struct DeviceKind {
  int count = 0;
  std::function<StageLoad(int inner, int outer)> load;  // of the stage between two downsets
};
struct LoadedStage {
  int inner = 0;
  int outer = 0;
  int kind = 0;
};
struct LeastLoad {
  double seconds = std::numeric_limits<double>::infinity();
  std::vector<LoadedStage> stages;  // in order; empty: nothing fits, or the deadline passed
  std::int64_t states = 0;
};
LeastLoad least_load(const Downsets& sets, const std::vector<DeviceKind>& kinds,
                     const Deadline& deadline);

}  // namespace lamina::pipeline
