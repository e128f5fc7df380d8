// Timing programs honestly: interleaved runs, medians, and the machine's measured peaks.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lamina/device.h"

namespace lamina {

struct Timing {
  double median_ms = 0.0;
  double best_ms = 0.0;
  double spread = 0.0;  // (third - first quartile) / median
  int runs = 0;
};

struct TimingOptions {
  double min_seconds = 0.2;  // per contender
  int min_runs = 7;
  int max_runs = 2000;
};

// Times the contenders in turn, A B C A B C ..., so that drift of a shared machine meets all of
// them alike. Each contender is called once before, untimed.
std::vector<Timing> time_interleaved(std::span<const std::function<void()>> contenders,
                                     const TimingOptions& options = {});

Timing summarize(std::vector<double> milliseconds);

// Copies of one program whose weights have different addresses, so that running them in turn
// streams the weights from memory, as a model with many layers does.
class ColdProgram {
 public:
  // As many copies as make the weights fill `rotate_bytes` (at most 64), at least one. Copy 0 uses
  // the graph's own weights; every weight must have elements. `first` is copy 0 where it was
  // compiled before.
  ColdProgram(const Graph& graph, const Device& device, const RunOptions& options,
              std::int64_t rotate_bytes, std::unique_ptr<Program> first = nullptr);

  // Allocates outputs for these inputs; run() then runs the next copy on them.
  void bind(std::span<const Tensor> inputs);
  void run();
  const std::vector<Tensor>& outputs() const { return outputs_; }
  Program& first() { return *copies_.front(); }
  std::size_t copies() const { return copies_.size(); }

 private:
  std::vector<std::unique_ptr<Program>> copies_;
  std::vector<Tensor> inputs_;
  std::vector<Tensor> outputs_;
  std::size_t next_ = 0;
};

// What this machine can do, measured now with `threads` threads.
struct MachinePeaks {
  int threads = 0;
  double read_gb_s = 0.0;    // streaming reads of the working set
  double f32_gflop_s = 0.0;  // multiply-adds in f32 vectors, two operations each
};
// The roof of a program that goes through `working_set` bytes again and again: a small one is read
// from the caches that hold it, 256 MiB and more from memory.
MachinePeaks measure_peaks(int threads, std::int64_t working_set = 256 << 20);

// What one run with these sizes does.
struct Work {
  double flops = 0.0;  // ragged tiles of block graphs count as whole ones
  double bytes = 0.0;  // of inputs, weights and outputs, each counted once
  // Two honest computations differ by at most tolerance * (|want| + row mean of |want|)
  // (docs/numerics.md).
  double tolerance = 0.0;
};
Work count_work(const Graph& graph, const Sizes& sizes);

// Random inputs for a run with these sizes: reals uniform in [-1, 1], integers in the range that
// their use as indices allows (else 0..9), bools either.
std::vector<Tensor> random_inputs(const Graph& graph, const Sizes& sizes, std::uint64_t seed);
// Gives random elements to every weight without elements, scaled by 1/sqrt(rows).
Graph fill_weights(const Graph& graph, std::uint64_t seed);

}  // namespace lamina
