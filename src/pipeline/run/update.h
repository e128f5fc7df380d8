// The end of an iteration on one rank: gradients are added up over all ranks that hold a parameter,
// clipped by the norm of all of them together, and applied.
#pragma once

#include <string>
#include <vector>

#include "lamina/train.h"
#include "pipeline/comm/ordered_sum.h"
#include "pipeline/run/stage_program.h"

namespace lamina::pipeline {

// A parameter that stages train, and the ranks that hold it: by stage, and by device within a
// stage, each once. Gradients are added in this order, those of one rank's stages before.
struct TrainedWeight {
  std::string name;
  std::vector<int> stages;
  std::vector<int> ranks;
  bool shard = false;  // the state of the optimiser is shared among `ranks`
};
// Sorted by name.
std::vector<TrainedWeight> trained_weights(const Plan& plan, const PipelineProgram& program);

// What a rank updates of a parameter, as a tensor in the memory of the whole: with as many axes as
// matter to optimisers (two, where the whole has two or more).
Tensor part_of(const Tensor& whole, const Elements& elements);

struct UpdateOptions {
  train::OptimizerOptions optimizer;
  double clip_norm = 0.0;
  RunOptions run;
};

// Of one rank: `parameters` are those that its stages train, by name, whose elements it changes.
class Update {
 public:
  Update(const std::vector<TrainedWeight>& weights, const NamedTensors& parameters,
         const UpdateOptions& options, Transport& transport);

  // Sums the gradients of a stage over its devices, as far as no other stage has the parameters.
  void reduce(int stage, NamedTensors& gradients);
  // Sums what is left. `numbers` are added up over all ranks on the way. Returns the square of the
  // norm of the gradients of the whole network. Throws kExhausted at all ranks when it is no
  // number.
  double sum_rest(NamedTensors& gradients, std::vector<double>& numbers);
  // Takes the step, on this rank alone.
  void step(const NamedTensors& gradients, double learning_rate, double squared_norm);
  // Ranks that share a parameter tell each other what they updated of it.
  void share();

  // Adds all parameters and the state of the optimiser, whole, to those at rank 0. All ranks must
  // call it.
  void collect(NamedTensors& parameters, NamedTensors& state);
  // Takes this rank's part of the state of the whole network.
  void load_state(const NamedTensors& state);
  std::int64_t state_bytes() const { return optimizer_.state_bytes(); }

 private:
  struct Own {
    std::size_t number = 0;  // in weights_
    Group group;
    bool done = false;  // summed in this iteration
  };

  const TrainedWeight& weight(const Own& own) const { return weights_[own.number]; }
  static std::vector<Own> own_weights(const std::vector<TrainedWeight>& weights, int rank);
  // Whole tensors, or this rank's parts of them.
  NamedTensors updated(const NamedTensors& whole) const;
  void sum(Own& own, NamedTensors& gradients);

  std::vector<TrainedWeight> weights_;
  NamedTensors parameters_;
  double clip_norm_;
  Transport& transport_;
  std::vector<Own> own_;
  train::Optimizer optimizer_;
};

}  // namespace lamina::pipeline
