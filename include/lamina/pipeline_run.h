// Running plans: training a network on ranks, which are threads of this process or processes that
// MPI started.
#pragma once

#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "lamina/schedule.h"
#include "lamina/train.h"

namespace lamina::pipeline {

// One rank's end of the messages between ranks.
class Transport;

// Whether Lamina was built with MPI.
bool has_mpi();
// Whether a launcher of MPI (mpirun, srun) started this process.
bool is_started_by_mpi();
// Joins the other processes, runs `body`, and leaves them. When it throws, what happened goes to
// standard error and the processes of all ranks end with its exit status. Once in a process. Throws
// kUnsupported without MPI.
void run_mpi_rank(const std::function<void(Transport&)>& body);
// From 0.
int rank_of(const Transport& transport);

// Runs `body` with messages that go from GPU to GPU through NCCL. `start` brings the ranks
// together, and tells them which messages come; nobody else may use it meanwhile. To be called by
// all ranks. GPUs of a machine are dealt out to its ranks; throws kUnsupported without NCCL and
// where two ranks have the same GPU, kNotFound where there is no GPU.
void run_nccl_rank(Transport& start, const std::function<void(Transport&)>& body);

// Which plan is run. Costs for planners are modelled, or measured here.
struct PipelineOptions {
  std::string plan;                   // a file; "": the planner makes one
  std::string planner = "graphpipe";  // as for `lamina plan`
  std::string pipeline_schedule = "1f1b";
  bool recompute = false;
  bool shard_optimizer = false;
  int most_operators = 0;  // as PlanOptions has them
  double limit_s = 0.0;    // of the planner's search; 0: none
  bool profile = false;
  std::string cluster;                 // a file: device r is rank r; "": equal ranks, one node
  double memory_bytes = 16e9;          // of a rank, that plans may use
  double bandwidth_bytes_per_s = 2e9;  // between two ranks, each way, for planning
  double latency_s = 2e-5;             // of a message, for planning

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("plan", self.plan, "run this plan (JSON) instead of making one");
    visit("planner", self.planner, "that makes the plan: see 'lamina plan'");
    visit("pipeline_schedule", self.pipeline_schedule,
          "of the planner's plan: gpipe, 1f1b, split or zero_bubble");
    visit("recompute", self.recompute, "stages may run their forward passes again");
    visit("shard_optimizer", self.shard_optimizer,
          "devices of one stage may share the optimiser's state");
    visit("operators", self.most_operators,
          "plan neighbours on a branch as one until at most so many are left; 0: no");
    visit("profile", self.profile, "measure the passes of every operator before planning");
    visit("cluster", self.cluster, "the machines of the ranks, JSON: see 'lamina plan'");
    visit("memory", self.memory_bytes, "bytes of a rank that plans may use");
    visit("bandwidth", self.bandwidth_bytes_per_s, "bytes a second between ranks, for planning");
    visit("latency", self.latency_s, "seconds of a message between ranks, for planning");
  }
};

// What a rank did and held, beside what the plan says.
struct RankReport {
  std::vector<int> stages;
  double busy = 0.0;             // share of the last iteration in passes and the optimiser's step
  double peak_bytes = 0.0;       // of all tensors and of the programs' arenas
  double predicted_bytes = 0.0;  // at most, by the plan's limits and the programs of its stages
  double planned_bytes = 0.0;    // by device_memory(), from the costs of operators
};

struct PipelineResult {
  train::TrainResult training;  // complete at rank 0
  Plan plan;
  std::string ended_early;  // why the planner's search ended before its end; "": it did not
  Schedule schedule;
  double step_s = 0.0;       // median of the iterations but the first
  double predicted_s = 0.0;  // of an iteration, by the simulator and the costs of the plan
  std::vector<RankReport> ranks;
  // The last iteration as it was, for chrome_trace(): ranks and peak_bytes; iteration_s is step_s.
  Simulated measured;
};

// Trains as train::train() does, batch for batch of the same samples; `task.options.micro_batch` is
// what the planner shall take (0: it chooses), `threads` are those of each rank (0: its part of the
// cores that it may use, which are shared with the ranks of this machine that may use them, too).
// Checkpoints are those of train() and do not depend on the plan. `watch` sees the log at rank 0.
// To be called by all ranks. Throws what train() throws, kInvalidArgument for a plan that is not of
// this network, batch and number of ranks, and kExhausted where no plan fits the memory.
PipelineResult train_pipeline(const train::TrainTask& task, const PipelineOptions& options,
                              Transport& transport, std::stop_token stop = {},
                              const std::function<void(const train::LogEntry&)>& watch = {});
// The same with so many threads as ranks.
PipelineResult train_pipeline(const train::TrainTask& task, const PipelineOptions& options,
                              int ranks, std::stop_token stop = {},
                              const std::function<void(const train::LogEntry&)>& watch = {});

// The training step of a plan, all programs of its stages put together, and that of the whole
// network, for verify(): inputs are the network's with the plan's batch of samples, outputs the
// loss and the gradients of trained weights by name. Throws kInvalidArgument for a plan that is not
// valid, kUnsupported where a tensor without an axis of samples goes between stages.
struct StepGraphs {
  Graph in_stages;
  Graph whole;
};
StepGraphs step_graphs(const GraphComputation& network, const Plan& plan,
                       std::span<const std::string> frozen);

}  // namespace lamina::pipeline
