// Planning a run.
#include "pipeline/run/prepare.h"

#include <algorithm>

#include "base/check.h"
#include "base/thread_pool.h"
#include "pipeline/comm/tensors.h"

namespace lamina::pipeline {
namespace {

PassTime no_time() {
  return [](const Graph&) { return 0.0; };
}

// Of passes on the cores of one rank: both ways, as if the others were idle.
PassTime costs(const PipelineOptions& options, int threads) {
  const RunOptions run{.threads = threads};
  return options.profile ? measured(run) : modelled(this_device_rates(run));
}

Cluster cluster_of(const PipelineOptions& options, int ranks) {
  if (options.cluster.empty()) {
    return uniform_cluster(ranks, options.memory_bytes,
                           {options.bandwidth_bytes_per_s, options.latency_s}, ranks);
  }
  Cluster cluster = load_cluster(options.cluster);
  require(std::ssize(cluster.devices) == ranks, "'{}' has {} devices, for {} ranks",
          options.cluster, cluster.devices.size(), ranks);
  return cluster;
}

void search_plan(PreparedRun& run, const train::TrainTask& task, const PipelineOptions& options) {
  PlanOptions wanted;
  wanted.batch = static_cast<int>(task.options.batch);
  wanted.micro_batch = static_cast<int>(task.options.micro_batch);
  wanted.schedule = parse_schedule_kind(options.pipeline_schedule);
  wanted.recompute = options.recompute;
  wanted.shard_optimizer = options.shard_optimizer;
  wanted.most_operators = options.most_operators;
  wanted.limit_s = options.limit_s;
  Planned planned =
      make_plan(run.network.computation, run.cluster, parse_planner_kind(options.planner), wanted);
  if (!planned.plan) {
    fail(ErrorCode::kExhausted, "{}: {}", run.network.computation.name, planned.reason);
  }
  run.plan = *std::move(planned.plan);
  run.ended_early = std::move(planned.reason);
}

void check_plan(const PreparedRun& run, const train::TrainTask& task) {
  validate(run.network.computation, run.cluster, run.plan);
  require(run.plan.batch == task.options.batch, "the plan is for batches of {} samples, not of {}",
          run.plan.batch, task.options.batch);
}

void plan_at_root(PreparedRun& run, const train::TrainTask& task, const PipelineOptions& options,
                  const Transport& transport) {
  const int threads = threads_of_rank(task.options, transport);
  run.cluster = cluster_of(options, transport.ranks());
  if (options.plan.empty()) {
    search_plan(run, task, options);
  } else {
    run.plan = load_plan(options.plan);
  }
  check_plan(run, task);
  run.planned_bytes = device_memory(run.network.computation, run.cluster, run.plan);
  check_memory(run.cluster, run.planned_bytes);
  if (options.profile) {
    run.network.computation =
        with_stage_times(run.network, run.plan, task.network.frozen, costs(options, threads));
  }
  const Computation& computation = run.network.computation;
  run.schedule = make_schedule(computation, run.cluster, run.plan);
  run.predicted_s = simulate(computation, run.cluster, run.plan, run.schedule).iteration_s;
}

}  // namespace

int threads_of_rank(const train::TrainOptions& options, const Transport& transport) {
  return options.threads > 0 ? options.threads : std::max(1, usable_cores() / transport.sharing());
}

PreparedRun prepare_run(const train::TrainTask& task, const PipelineOptions& options,
                        Transport& transport) {
  const bool root = transport.rank() == 0;
  const int threads = threads_of_rank(task.options, transport);
  PreparedRun run;
  run.network = graph_computation(task.network, root ? costs(options, threads) : no_time());
  if (root) {
    plan_at_root(run, task, options, transport);
    for (int rank = 1; rank < transport.ranks(); ++rank) {
      send_text(transport, rank, kPlanTag, to_json(run.plan));
      send_text(transport, rank, kPlanTag, print_schedule(run.schedule));
    }
  } else {
    run.plan = parse_plan(receive_text(transport, 0, kPlanTag), "plan of rank 0");
    run.schedule = parse_schedule(receive_text(transport, 0, kPlanTag), "schedule of rank 0");
  }
  run.program = cut_stages(run.network, run.plan, task.network.frozen);
  return run;
}

}  // namespace lamina::pipeline
