// The pieces that GraphPipe's planner makes of operators, and what operators cost together.
#pragma once

#include <array>
#include <vector>

#include "pipeline/planners/series_parallel.h"

namespace lamina::pipeline {

// Seconds a sample, and seconds a pass whatever the number of samples.
struct Work {
  double rate_s = 0.0;
  double fixed_s = 0.0;

  Work operator+(const Work& more) const { return {rate_s + more.rate_s, fixed_s + more.fixed_s}; }
  Work operator-(const Work& less) const { return {rate_s - less.rate_s, fixed_s - less.fixed_s}; }
};
// What operators cost together, whatever the micro-batch.
struct Shape {
  std::array<double, 3> rate_s{};   // a sample: forward, input gradient, weight gradient
  std::array<double, 3> fixed_s{};  // a pass
  double parameter_bytes = 0.0;
  double fixed_bytes = 0.0;
  double saved_bytes = 0.0;      // a sample
  double split_bytes = 0.0;      // a sample
  double workspace_bytes = 0.0;  // a sample
  double in_bytes = 0.0;         // a sample: tensors that come from outside
  double out_bytes = 0.0;        // a sample: tensors needed outside, each once
  bool has_inputs = false;       // from other operators, be they empty

  void add(const Operator& op);
  Work work() const {
    return {rate_s[0] + rate_s[1] + rate_s[2], fixed_s[0] + fixed_s[1] + fixed_s[2]};
  }
};
Shape shape_of(const Computation& computation, const std::vector<int>& operators);

// Puts the operators of every fork that takes at most `seconds` a sample in a line.
SpTree without_small_forks(const Computation& computation, SpTree tree, double seconds);

// Merges neighbours in series, and whole parts of the tree, as long as together they take at most
// `grain_s` seconds a sample.
SpTree coarsen(const Computation& computation, SpTree tree, double grain_s);

}  // namespace lamina::pipeline
