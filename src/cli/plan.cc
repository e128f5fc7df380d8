// lamina plan: cuts a network into stages and gives them to devices.
#include <fmt/core.h>

#include <algorithm>

#include "base/check.h"
#include "base/files.h"
#include "cli/command.h"
#include "cli/output_files.h"
#include "cli/plan_input.h"
#include "cli/plan_prove.h"
#include "cli/verdict_status.h"
#include "lamina/schedule.h"

namespace lamina::cli {
namespace {

using namespace lamina::pipeline;

struct PlanCommandOptions {
  PlanInputOptions input;
  std::string planner = "graphpipe";
  int devices = 0;
  std::string cluster;
  double bandwidth = 12.5e9;
  double latency = 5e-6;
  double memory = 16e9;
  int per_node = 0;
  PlanOptions plan;
  std::string schedule = "1f1b";
  Seconds limit;
  bool prove = false;
  std::string output;
  std::string write_computation;
  std::string write_cluster;
  std::string svg;
  std::string trace;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    PlanInputOptions::fields(self.input, visit);
    visit("planner", self.planner,
          "graphpipe, pipedream, pipedream-linear, piper, ideals, linear, alpa or chain "
          "(docs/cli.md)");
    visit("devices", self.devices, "plan for so many equal devices, not for --cluster");
    visit("cluster", self.cluster, "the machines, JSON");
    visit("bandwidth", self.bandwidth, "with --devices: bytes a second of every link, each way");
    visit("latency", self.latency, "with --devices: seconds of every message");
    visit("memory", self.memory, "with --devices: bytes of each");
    visit("per_node", self.per_node, "with --devices: how many share a node; 0: all");
    visit("batch", self.plan.batch, "samples of one iteration");
    visit("micro_batch", self.plan.micro_batch,
          "samples of one pass; 0: a divisor of the batch that the planner chooses");
    visit("schedule", self.schedule, "1f1b, split (weight gradients apart), zero_bubble or gpipe");
    visit("chunks", self.plan.chunks, "stages of each device that planner chain makes");
    visit("recompute", self.plan.recompute, "stages may run their forward passes again");
    visit("shard_optimizer", self.plan.shard_optimizer,
          "devices of one stage may share the optimiser's state");
    visit("operators", self.plan.most_operators,
          "plan neighbours on a branch as one until at most so many are left; 0: no");
    visit("limit", self.limit, "of the search; 0s: none");
    visit("prove", self.prove,
          "prove that a step in these stages is the network's: for small shapes, see --small");
    visit("output", self.output, "write the plan, JSON, to this file");
    visit("write_computation", self.write_computation,
          "write the network as planners see it, JSON, to this file");
    visit("write_cluster", self.write_cluster, "write the machines, JSON, to this file");
    visit("svg", self.svg, "write a picture of an iteration to this file");
    visit("trace", self.trace, "write a trace for chrome://tracing to this file");
  }
};

Cluster cluster_of(const PlanCommandOptions& options) {
  require((options.devices > 0) != !options.cluster.empty(),
          "expected either --devices N, of at least 1, or --cluster FILE");
  const PlanCommandOptions defaults;
  const bool describes = options.memory != defaults.memory ||
                         options.bandwidth != defaults.bandwidth ||
                         options.latency != defaults.latency || options.per_node != 0;
  require(options.cluster.empty() || !describes,
          "--memory, --bandwidth, --latency and --per-node belong to --devices: '{}' says what its "
          "machines have",
          options.cluster);
  if (!options.cluster.empty()) return load_cluster(options.cluster);
  require(options.per_node >= 0, "--per-node: expected a count, got {}", options.per_node);
  const int per_node = options.per_node > 0 ? options.per_node : options.devices;
  return uniform_cluster(options.devices, options.memory, {options.bandwidth, options.latency},
                         per_node);
}

// Of the slowest stage, a sample: its passes, and its share of the sum of gradients.
double bottleneck_seconds(const Plan& plan, const std::vector<StageCost>& costs) {
  double slowest = 0.0;
  for (std::size_t s = 0; s < costs.size(); ++s) {
    const double passes = (costs[s].forward_s + costs[s].backward_s()) / plan.stages[s].micro_batch;
    slowest = std::max(slowest, passes + costs[s].reduce_s / plan.batch);
  }
  return slowest;
}

std::string list(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    text += fmt::format("{}{}", text.empty() ? "" : ",", numbers[i]);
    if (end - i > 1) text += fmt::format("-{}", numbers[end - 1]);
    i = end;
  }
  return text;
}

Json row_of(const Stage& stage, const StageCost& cost, double bytes) {
  Json row;
  row["operators"] = Json::Array(stage.operators.begin(), stage.operators.end());
  row["devices"] = Json::Array(stage.devices.begin(), stage.devices.end());
  row["micro_batch"] = stage.micro_batch;
  row["in_flight"] = stage.in_flight;
  row["recompute"] = stage.recompute;
  row["shard_optimizer"] = stage.shard_optimizer;
  row["forward_s"] = cost.forward_s;
  row["backward_s"] = cost.backward_s();
  row["reduce_s"] = cost.reduce_s;
  row["memory_bytes"] = bytes;
  return row;
}

void describe_stages(const Computation& computation, const Plan& plan,
                     const std::vector<StageCost>& costs, const std::vector<double>& memory,
                     Json& report) {
  fmt::print("\n{:>5} {:>9} {:>11} {:>9} {:>11} {:>11} {:>10}  {}\n", "stage", "devices",
             "micro-batch", "in flight", "forward ms", "backward ms", "memory MB", "operators");
  report["stages"] = Json::Array();
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const Stage& stage = plan.stages[s];
    const auto op = [&](int index) -> const std::string& {
      return computation.operators[static_cast<std::size_t>(index)].name;
    };
    fmt::print("{:>5} {:>9} {:>11} {:>9} {:>11.4g} {:>11.4g} {:>10.4g}  {} ({}{}{}){}{}\n", s,
               list(stage.devices), stage.micro_batch, stage.in_flight, 1e3 * costs[s].forward_s,
               1e3 * costs[s].backward_s(), memory[s] / 1e6, list(stage.operators),
               op(stage.operators.front()), stage.operators.size() > 1 ? " .. " : "",
               stage.operators.size() > 1 ? op(stage.operators.back()) : "",
               stage.recompute ? ", recomputes" : "",
               stage.shard_optimizer ? ", shares the optimiser's state" : "");
    report["stages"].push_back(row_of(stage, costs[s], memory[s]));
  }
}

void describe_plan(const Computation& computation, const Cluster& cluster, const Plan& plan,
                   const Simulated& simulated, Json& report) {
  const std::vector<StageCost> costs = stage_costs(computation, cluster, plan);
  const std::vector<double> memory = stage_memory(computation, cluster, plan);
  const double bottleneck_s = bottleneck_seconds(plan, costs);
  const int stages = depth(computation, plan);
  int in_flight = 0;
  for (const Stage& stage : plan.stages) in_flight = std::max(in_flight, stage.in_flight);
  report["bottleneck_s"] = bottleneck_s;
  report["iteration_s"] = simulated.iteration_s;
  report["bubble"] = simulated.bubble;
  report["depth"] = stages;
  report["in_flight"] = in_flight;
  report["memory_bytes"] = *std::max_element(memory.begin(), memory.end());
  fmt::print(
      "{} stages, depth {}, iteration {:.6g} s, {:.6g} samples/s, bubble {:.1f} %, "
      "bottleneck {:.6g} s a sample\n",
      plan.stages.size(), stages, simulated.iteration_s, plan.batch / simulated.iteration_s,
      100.0 * simulated.bubble, bottleneck_s);
  describe_stages(computation, plan, costs, memory, report);
}

void write_files(const PlanCommandOptions& options, const Plan& plan, const Simulated& simulated) {
  if (!options.output.empty()) write_file_atomically(options.output, to_json(plan));
  if (!options.svg.empty()) write_file_atomically(options.svg, schedule_svg(plan, simulated));
  if (!options.trace.empty()) write_file_atomically(options.trace, chrome_trace(plan, simulated));
}

int make_a_plan(const PlanCommandOptions& options, Json& report) {
  const PlannerKind planner = parse_planner_kind(options.planner);
  check_writable({options.output, options.write_computation, options.write_cluster, options.svg,
                  options.trace});
  PlanOptions wanted = options.plan;
  wanted.schedule = parse_schedule_kind(options.schedule);
  wanted.limit_s = options.limit.value;
  const Cluster cluster = cluster_of(options);
  const PlanInput input = load_plan_input(options.input, report);
  const Computation& computation = input.network.computation;
  if (!options.write_computation.empty()) {
    write_file_atomically(options.write_computation, to_json(computation));
  }
  if (!options.write_cluster.empty()) {
    write_file_atomically(options.write_cluster, to_json(cluster));
  }
  report["planner"] = options.planner;
  const Planned planned = make_plan(computation, cluster, planner, wanted);
  report["search_s"] = planned.search_s;
  report["states"] = planned.states;
  if (!planned.plan) fail(ErrorCode::kExhausted, "{}: {}", computation.name, planned.reason);
  const Plan& plan = *planned.plan;
  report["planner"] = plan.planner;
  fmt::print("{}: {} operators, {} devices, planner {}: {} states in {:.3g} s\n", computation.name,
             computation.operators.size(), cluster.devices.size(), plan.planner, planned.states,
             planned.search_s);
  if (!planned.reason.empty()) {
    report["ended_early"] = planned.reason;
    fmt::print("the search {}: the plan is the best until then\n", planned.reason);
  }
  const Simulated simulated =
      simulate(computation, cluster, plan, make_schedule(computation, cluster, plan));
  describe_plan(computation, cluster, plan, simulated, report);
  write_files(options, plan, simulated);
  return options.prove ? exit_status(prove_plan(input, plan, report)) : kYes;
}

}  // namespace

Command plan_command() {
  return command<PlanCommandOptions>("plan", "cut a network into a graph of stages for pipelines",
                                     make_a_plan);
}

}  // namespace lamina::cli
