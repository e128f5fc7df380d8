// What a pipeline must compute, in one process and in plain order: stage after stage, micro-batch
// after micro-batch, with the same programs, and tensors of the whole batch between stages. Results
// are equal bit for bit.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "pipeline/run/rank_run.h"

namespace lamina::pipeline {

class ReferenceStep {
 public:
  // `parameters` are copied.
  ReferenceStep(const PipelineJob& job, const NamedTensors& parameters);

  StepResult step(const BatchData& data, double learning_rate);

  const NamedTensors& parameters() const { return parameters_; }
  const NamedTensors& gradients() const { return gradients_; }

 private:
  // One device's share of a micro-batch of a stage.
  struct Share {
    int stage = 0;
    int micro_batch = 0;
    int place = 0;
    auto operator<=>(const Share&) const = default;
  };
  // A tensor of an edge, or its gradient. Without an axis of samples: by the sender's share.
  struct Crossing {
    bool forward = true;
    EdgePlace place;
    Share sender;
    auto operator<=>(const Crossing&) const = default;
  };

  const Stage& plan_of(int stage) const {
    return job_.plan.stages[static_cast<std::size_t>(stage)];
  }
  const EdgeTensor& tensor_of(const EdgePlace& place) const;
  std::vector<Share> shares(int stage) const;
  StageDevice& device(const Share& share);

  void put(bool forward, const EdgePlace& place, const Share& from, const Tensor& tensor);
  Tensor get(bool forward, const EdgePlace& place, const Share& to);
  void forward(const Share& share, const BatchData& data);
  void backward(const Share& share);
  void add_up();

  const PipelineJob& job_;
  std::vector<TrainedWeight> weights_;
  Ledger ledger_;
  NamedTensors parameters_;
  NamedTensors gradients_;
  train::Optimizer optimizer_;
  std::vector<std::vector<std::unique_ptr<StageDevice>>> devices_;  // by stage and place
  std::map<Share, MicroBatch> micro_batches_;
  std::map<Crossing, Tensor> crossing_;
  double loss_ = 0.0;
};

}  // namespace lamina::pipeline
