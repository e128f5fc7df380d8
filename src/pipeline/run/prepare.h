// What a run begins with: the network by operators, machines, plan, schedule and programs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lamina/pipeline_run.h"
#include "pipeline/comm/transport.h"
#include "pipeline/run/stage_program.h"

namespace lamina::pipeline {

struct PreparedRun {
  GraphComputation network;  // without costs, but at rank 0
  Cluster cluster;           // at rank 0
  Plan plan;
  std::string ended_early;  // Planned::reason; at rank 0
  Schedule schedule;
  PipelineProgram program;
  double predicted_s = 0.0;           // at rank 0
  std::vector<double> planned_bytes;  // by rank; at rank 0
};

// As asked for, or an equal share of the cores that this rank may use.
int threads_of_rank(const train::TrainOptions& options, const Transport& transport);

// Rank 0 plans, the others are told. To be called by all ranks.
PreparedRun prepare_run(const train::TrainTask& task, const PipelineOptions& options,
                        Transport& transport);

}  // namespace lamina::pipeline
