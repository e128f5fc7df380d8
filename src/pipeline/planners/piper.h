// Piper's planner (Tarnawski et al., NeurIPS 2021): the smallest time of the slowest stage of a
// chain whose stages have several ways to run, by dynamic programming over downsets, devices, and a
// sum over this and the later stages on which the memory depends.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "pipeline/planners/downsets.h"

namespace lamina::pipeline {

// A way to run a stage.
struct StageWay {
  struct Step {
    int most = 0;  // the largest sum for which it takes so long
    double seconds = 0.0;
  };
  int devices = 1;
  int share = 1;            // what the stage adds to the sum
  std::vector<Step> steps;  // both ascending; with larger sums it does not fit the memory
};
struct PiperProblem {
  int devices = 1;
  int most_sum = 1;
  // Of the stage between two downsets. Valid until the next call.
  std::function<std::span<const StageWay>(int inner, int outer)> ways;
};
struct PiperStage {
  int inner = 0;
  int outer = 0;
  int way = 0;  // of ways(inner, outer)
  int sum = 0;
};
struct PiperResult {
  double seconds = std::numeric_limits<double>::infinity();
  std::vector<PiperStage> stages;  // in order; empty: nothing fits, or the deadline passed
  std::int64_t states = 0;
};
PiperResult fastest_chain(const Downsets& sets, const PiperProblem& problem,
                          const Deadline& deadline);

}  // namespace lamina::pipeline
