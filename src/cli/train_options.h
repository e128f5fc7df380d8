// What `lamina train` is told.
#pragma once

#include <string>
#include <vector>

#include "base/options.h"
#include "cli/network_input.h"
#include "lamina/pipeline_run.h"

namespace lamina::cli {

struct TrainCommandOptions {
  std::string input;
  NetworkOptions network;
  train::DatasetOptions data;
  train::OptimizerOptions optimizer;
  train::LearningRateOptions learning_rate;
  train::TrainOptions train;
  pipeline::PipelineOptions pipeline;
  Seconds limit;
  int devices = 1;
  std::string write_plan;
  std::string write_schedule;
  std::string trace;
  std::string svg;
  int ranks = 0;
  int restarts = 0;
  std::string launcher = "mpirun";
  std::string transport = "mpi";

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("INPUT", self.input,
          "the name of a network (" + network_list() +
              "), or a graph (.lam) whose first output is the loss");
    NetworkOptions::fields(self.network, visit);
    train::DatasetOptions::fields(self.data, visit);
    train::OptimizerOptions::fields(self.optimizer, visit);
    train::LearningRateOptions::fields(self.learning_rate, visit);
    train::TrainOptions::fields(self.train, visit);
    visit("devices", self.devices, "train as a pipeline of so many ranks, threads of this process");
    pipeline::PipelineOptions::fields(self.pipeline, visit);
    visit("limit", self.limit, "of the planner's search; 0s: none");
    visit("write_plan", self.write_plan, "write the plan that was run, JSON, to this file");
    visit("write_schedule", self.write_schedule, "write the action lists to this file");
    visit("trace", self.trace,
          "write when what ran in the last iteration, for chrome://tracing, to this file");
    visit("svg", self.svg, "write a picture of the losses to this file");
    visit("ranks", self.ranks, "start so many processes of MPI and watch over them");
    visit("restarts", self.restarts,
          "with --ranks: how often to go on from the last checkpoint when they fail");
    visit("launcher", self.launcher,
          "with --ranks: the program that starts them, with its options");
    visit("transport", self.transport,
          "of messages between processes: mpi, or nccl from GPU to GPU");
  }
};

// Starts the ranks, and starts them again when they fail.
int supervise_ranks(const TrainCommandOptions& options, Json& report);

}  // namespace lamina::cli
