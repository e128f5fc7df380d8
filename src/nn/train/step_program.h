// Compiled passes over a batch: the loss with all gradients, or the outputs alone.
#pragma once

#include <memory>

#include "lamina/train.h"

namespace lamina::train {

// The network's graph with its parameters in bf16, converted where they are read.
Network in_bf16(const Network& network);

// The loss and the gradients of the trained parameters for batches of `samples`.
class GradientProgram {
 public:
  GradientProgram(const Network& network, std::int64_t samples, const Device& device,
                  const RunOptions& run);

  // Takes the elements as they are now; to be called again when they have changed.
  void set_parameters(const NamedTensors& parameters);
  // Overwrites gradients() and returns the loss.
  double run(const NamedTensors& batch);
  const NamedTensors& gradients() const { return gradients_; }
  const ProgramStats& stats() const { return stats_; }
  std::vector<StepTime> profile(const NamedTensors& batch);

 private:
  std::vector<std::string> inputs_;  // in the order of the graph
  std::vector<std::string> weights_;
  std::unique_ptr<Program> program_;
  std::vector<Tensor> outputs_;  // loss, then gradients_
  NamedTensors gradients_;
  ProgramStats stats_;
};

// All outputs, for batches of any size, on the cpu device.
class ForwardProgram {
 public:
  ForwardProgram(const Network& network, const NamedTensors& parameters, const RunOptions& run);

  std::vector<Tensor> run(const NamedTensors& batch);

 private:
  std::vector<std::string> inputs_;
  std::unique_ptr<Program> program_;
};

}  // namespace lamina::train
