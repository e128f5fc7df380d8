// One rank of a pipeline: runs its list of actions, iteration after iteration.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lamina/schedule.h"
#include "pipeline/run/incoming.h"
#include "pipeline/run/stage_device.h"
#include "pipeline/run/update.h"

namespace lamina::pipeline {

// What all ranks of a run know.
struct PipelineJob {
  const GraphComputation& network;
  const Plan& plan;
  const Schedule& schedule;
  const PipelineProgram& program;
  std::string device = "cpu";
  RunOptions run;  // of one rank
  UpdateOptions update;
};

// The inputs of the network for some samples of the batch, by name.
using BatchData = std::function<NamedTensors(const Samples&)>;

struct StepResult {
  double loss = 0.0;  // the mean over the batch; at all ranks
  double gradient_norm = 0.0;
};

class RankRun {
 public:
  // `parameters` are those of the whole network (or more than this rank needs); it copies its own.
  RankRun(const PipelineJob& job, const NamedTensors& parameters, Transport& transport);

  // One iteration. `numbers` are added up over all ranks on the way.
  StepResult step(const BatchData& data, double learning_rate, std::span<double> numbers = {});

  // Of this rank's stages.
  const NamedTensors& parameters() const { return parameters_; }
  const NamedTensors& gradients() const { return gradients_; }  // of the last step, summed
  Update& update() { return update_; }
  const Ledger& ledger() const { return ledger_; }
  // Passes, waits and the update of the last step, in seconds since it began.
  const std::vector<TimedAction>& timeline() const { return timeline_; }

 private:
  struct OwnStage {
    int stage = 0;
    int place = 0;
    std::unique_ptr<StageDevice> device;
    std::map<int, MicroBatch> micro_batches;
    std::map<int, Incoming> in;         // by edge: forward
    std::map<int, Incoming> gradients;  // by edge: backward
  };
  // A message that is being sent.
  struct Sending {
    int message = 0;
    Tensor tensor;
    std::vector<std::byte> packed;
  };
  // What a pass made, until it is sent: by direction, edge and micro-batch.
  struct OutgoingKey {
    bool forward = true;
    int edge = 0;
    int micro_batch = 0;
    auto operator<=>(const OutgoingKey&) const = default;
  };

  const Stage& plan_of(int stage) const {
    return job_.plan.stages[static_cast<std::size_t>(stage)];
  }
  const StageEdge& edge_of(int edge) const {
    return job_.program.graph.edges[static_cast<std::size_t>(edge)];
  }
  // The edges that lead into a stage, or out of it.
  const std::vector<int>& edges(int stage, bool in) const;

  void add_stage(int stage, int place);
  void add_incoming(OwnStage& own, int edge, bool forward);
  OwnStage& own_stage(int stage);

  StepResult run(const BatchData& data, double learning_rate, std::span<double> numbers);
  void act(const Action& action, const BatchData& data);
  void pass(OwnStage& own, const Action& action, const BatchData& data);
  void take_inputs(OwnStage& own, const Action& action, MicroBatch& micro_batch,
                   const BatchData& data);
  void keep_outgoing(OwnStage& own, const Action& action, const MicroBatch& micro_batch);
  void release(OwnStage& own, const Action& action, MicroBatch& micro_batch);
  void note_loss(const OwnStage& own, int micro_batch, const Tensor& loss);
  void send(const Action& action);
  void finish_sends(bool wait);
  void collect_gradients();
  StepResult finish(double learning_rate, std::span<double> numbers);
  double seconds() const;

  const PipelineJob& job_;
  Transport& transport_;
  Ledger ledger_;
  std::vector<OwnStage> stages_;
  NamedTensors parameters_;
  NamedTensors gradients_;  // empty: not collected from the stages yet
  Update update_;
  std::map<OutgoingKey, std::vector<Tensor>> outgoing_;
  std::vector<Sending> sending_;
  std::vector<double> losses_;  // of shares of micro-batches of the batch, by their samples
  std::vector<TimedAction> timeline_;
  std::optional<Action> updated_;  // the last kUpdate of the list, which stands for all
  std::chrono::steady_clock::time_point begun_;
};

}  // namespace lamina::pipeline
