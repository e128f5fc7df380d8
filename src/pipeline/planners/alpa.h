// Alpa's planner between operators (Zheng et al., OSDI 2022, section 5): of stages of a linear
// order of layers, the least sum of their times plus (micro-batches - 1) times the largest one.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "pipeline/planners/deadline.h"

namespace lamina::pipeline {

// A stage that begins with some layer, on one submesh of devices.
struct AlpaOption {
  int next = 0;  // the first layer behind it
  int devices = 1;
  double seconds = 0.0;  // a micro-batch
  int most = 0;          // stages, itself and those after it, with which it fits the memory
  bool recompute = false;
};
struct AlpaProblem {
  int devices = 1;
  int micro_batches = 1;
  std::vector<std::vector<AlpaOption>> options;  // by first layer, by seconds
};
struct AlpaResult {
  double seconds = std::numeric_limits<double>::infinity();
  std::vector<AlpaOption> stages;  // in order; empty: nothing fits, or the deadline passed
  std::int64_t states = 0;
};
AlpaResult least_sum(const AlpaProblem& problem, const Deadline& deadline);

}  // namespace lamina::pipeline
