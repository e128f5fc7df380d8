// lamina train: trains a network in this process, or as a pipeline on several ranks.
#include <fmt/core.h>

#include "base/check.h"
#include "base/files.h"
#include "base/stop.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/network_input.h"
#include "cli/output_files.h"
#include "cli/train_options.h"

namespace lamina::cli {
namespace {

using pipeline::PipelineResult;

// A graph of the user's; weights whose names begin with one of --frozen are not trained.
train::Network load_graph(const TrainCommandOptions& options) {
  ModelOptions model;
  model.model = options.input;
  Graph graph = load_model(model);
  const std::string name = graph.name;
  train::Network network{name, std::move(graph), {}};
  freeze(network, options.network.frozen);
  train::validate(network);
  return network;
}

train::Network load_network(const TrainCommandOptions& options) {
  std::optional<train::Network> named = named_network(options.input, options.network);
  return named ? *std::move(named) : load_graph(options);
}

// A network with its data; what a task refers to.
struct Loaded {
  train::Network network;
  std::unique_ptr<train::Dataset> training;
  std::unique_ptr<train::Dataset> test;

  explicit Loaded(const TrainCommandOptions& options)
      : network(load_network(options)),
        training(load_dataset(options.data, train::Split::kTraining, network)),
        test(load_dataset(options.data, train::Split::kTest, network)) {}

  train::TrainTask task(const TrainCommandOptions& options) const {
    return {network,      *training, test.get(), options.optimizer, options.learning_rate,
            options.train};
  }
};

void describe(const train::TrainResult& result, Json& report) {
  if (result.before == result.steps && !result.stopped) {
    fmt::print("{} steps were done before, loss {:.6g}: nothing is left to do\n", result.steps,
               result.loss);
  } else {
    fmt::print("{} steps, loss {:.6g}, {:.4g} samples/s{}\n", result.steps, result.loss,
               result.samples_per_s, result.stopped ? ", stopped" : "");
  }
  report["steps"] = result.steps;
  report["steps_before"] = result.before;
  report["loss"] = result.loss;
  report["seconds"] = result.seconds;
  report["samples_per_s"] = result.samples_per_s;
  report["stopped"] = result.stopped;
  if (result.test_loss) {
    fmt::print("test: loss {:.6g}", *result.test_loss);
    report["test_loss"] = *result.test_loss;
    if (result.test_accuracy) {
      fmt::print(", accuracy {:.4f}", *result.test_accuracy);
      report["test_accuracy"] = *result.test_accuracy;
    }
    fmt::print("\n");
  }
}

void describe_ranks(const PipelineResult& result, Json& report) {
  if (!result.ended_early.empty()) {
    fmt::print("the planner's search {}: the plan is the best until then\n", result.ended_early);
    report["ended_early"] = result.ended_early;
  }
  fmt::print("iteration {:.4g} s, predicted {:.4g} s\n\n", result.step_s, result.predicted_s);
  fmt::print("{:>5} {:>12} {:>7} {:>10} {:>13} {:>11}\n", "rank", "stages", "busy", "peak MB",
             "predicted MB", "planned MB");
  report["step_s"] = result.step_s;
  report["predicted_s"] = result.predicted_s;
  report["ranks"] = Json::Array();
  for (std::size_t r = 0; r < result.ranks.size(); ++r) {
    const pipeline::RankReport& rank = result.ranks[r];
    std::string stages;
    for (const int s : rank.stages) stages += fmt::format("{}{}", stages.empty() ? "" : ",", s);
    fmt::print("{:>5} {:>12} {:>6.1f}% {:>10.3f} {:>13.3f} {:>11.3f}\n", r, stages,
               100.0 * rank.busy, rank.peak_bytes / 1e6, rank.predicted_bytes / 1e6,
               rank.planned_bytes / 1e6);
    Json row;
    row["stages"] = Json::Array(rank.stages.begin(), rank.stages.end());
    row["busy"] = rank.busy;
    row["peak_bytes"] = rank.peak_bytes;
    row["predicted_bytes"] = rank.predicted_bytes;
    row["planned_bytes"] = rank.planned_bytes;
    report["ranks"].push_back(std::move(row));
  }
}

void write_files(const TrainCommandOptions& options, const PipelineResult& result) {
  if (!options.write_plan.empty()) write_file_atomically(options.write_plan, to_json(result.plan));
  if (!options.write_schedule.empty()) {
    write_file_atomically(options.write_schedule, print_schedule(result.schedule));
  }
  if (!options.trace.empty()) {
    write_file_atomically(options.trace, chrome_trace(result.plan, result.measured));
  }
}

void write_picture(const TrainCommandOptions& options) {
  if (options.svg.empty()) return;
  write_file_atomically(options.svg, train::loss_svg(train::load_loss_log(options.train.log)));
}

void finish(const TrainCommandOptions& options, const PipelineResult& result, Json& report) {
  describe(result.training, report);
  if (result.training.before < result.training.steps) describe_ranks(result, report);
  write_files(options, result);
  write_picture(options);
}

pipeline::PipelineOptions pipeline_options(const TrainCommandOptions& options) {
  pipeline::PipelineOptions own = options.pipeline;
  own.limit_s = options.limit.value;
  return own;
}

void check_outputs(const TrainCommandOptions& options) {
  check_writable({options.write_plan, options.write_schedule, options.trace, options.svg});
}

int train_on_mpi(const TrainCommandOptions& options, Json& report) {
  const Interrupt interrupt;
  const auto train = [&](pipeline::Transport& transport) {
    if (rank_of(transport) == 0) check_outputs(options);
    const Loaded loaded(options);
    const PipelineResult result = train_pipeline(loaded.task(options), pipeline_options(options),
                                                 transport, interrupt.token());
    if (rank_of(transport) == 0) {
      finish(options, result, report);
    } else {
      report = Json();  // rank 0 reports
    }
  };
  pipeline::run_mpi_rank([&](pipeline::Transport& transport) {
    if (options.transport == "mpi") {
      train(transport);
    } else {
      run_nccl_rank(transport, train);
    }
  });
  return kYes;
}

bool is_for_pipelines(const TrainCommandOptions& options) {
  return to_json(options.pipeline) != to_json(pipeline::PipelineOptions()) ||
         options.limit != Seconds() || !options.write_plan.empty() ||
         !options.write_schedule.empty() || !options.trace.empty();
}

void check_transport(const TrainCommandOptions& options) {
  if (options.transport == "mpi") return;
  require(options.transport == "nccl", "--transport: expected mpi or nccl, got '{}'",
          options.transport);
  require(pipeline::is_started_by_mpi() || options.ranks > 0,
          "--transport nccl is for ranks that are processes: give --ranks, or start with mpirun");
}

// Who trains: this process, ranks that it starts, or it is a rank itself.
void check_ranks(const TrainCommandOptions& options) {
  const TrainCommandOptions defaults;
  require(!pipeline::is_started_by_mpi() ||
              (options.ranks == 0 && options.restarts == 0 &&
               options.launcher == defaults.launcher && options.devices == defaults.devices),
          "--ranks, --restarts, --launcher and --devices start ranks: a launcher of MPI has "
          "started this one");
  require(options.ranks >= 0, "--ranks: expected at least 0, got {}", options.ranks);
  require(options.ranks > 0 || options.restarts == 0, "--restarts is for --ranks");
  require(options.ranks > 0 || options.launcher == defaults.launcher, "--launcher is for --ranks");
  require(options.devices > 0, "--devices: expected at least 1, got {}", options.devices);
  require(options.ranks == 0 || options.devices == defaults.devices,
          "--devices are threads of this process, --ranks processes: give one of them");
}

int train_network(const TrainCommandOptions& options, Json& report) {
  require(options.svg.empty() || !options.train.log.empty(),
          "--svg draws what --log has written: give --log FILE too");
  check_ranks(options);
  check_transport(options);
  if (pipeline::is_started_by_mpi()) return train_on_mpi(options, report);
  check_outputs(options);
  if (options.ranks > 0) return supervise_ranks(options, report);
  const bool alone = options.devices == 1 && options.pipeline.plan.empty();
  require(!alone || !is_for_pipelines(options),
          "planners, plans, schedules and traces are of pipelines: give --devices, --ranks or "
          "--plan");
  const Interrupt interrupt;
  const Loaded loaded(options);
  const train::TrainTask task = loaded.task(options);
  if (alone) {
    describe(train::train(task, interrupt.token()), report);
    write_picture(options);
    return kYes;
  }
  finish(options,
         train_pipeline(task, pipeline_options(options), options.devices, interrupt.token()),
         report);
  return kYes;
}

}  // namespace

Command train_command() {
  return command<TrainCommandOptions>(
      "train", "train a network, alone or as a pipeline of threads or processes", train_network);
}

}  // namespace lamina::cli
