// The claims of GraphPipe (arXiv:2406.17145, section 7) under one cost model and one simulator:
// iterations of its three networks with plans of our GraphPipe and of the baselines, the sweep over
// branches, the case study, and how long the planners search. Costs are modelled (the peak rates of
// the paper's GPUs), so that no GPU is needed. Tables in Markdown go to standard output, the rows
// to OUT.json.
//
//   build/bench/bench_pipeline_claims [OUT.json [SECONDS_PER_SEARCH]]
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/files.h"
#include "base/json.h"
#include "lamina/nn.h"
#include "lamina/pipeline.h"
#include "lamina/schedule.h"
#include "pipeline/merge.h"

namespace {

using namespace lamina;
using namespace lamina::pipeline;

// Summit (section 7): nodes of four V100 of 16 GB with NVLink, 100 Gb/s between nodes.
const DeviceRates kV100{"NVIDIA V100 SXM2 16 GB", 15.7e12, 900e9, 5e-6};
constexpr double kMemory = 16e9;

Cluster summit(int devices) {
  Cluster cluster = uniform_cluster(devices, kMemory, {50e9, 2e-6}, 4);
  cluster.between = {12.5e9, 5e-6};
  return cluster;
}

struct Row {
  std::optional<Plan> plan;
  std::string reason;
  double iteration_s = 0.0;
  double search_s = 0.0;
  int depth = 0;
  double peak_bytes = 0.0;
};

class Bench {
 public:
  explicit Bench(double limit_s) : limit_s_(limit_s) {}

  Row run(const Computation& network, int devices, PlannerKind planner, PlanOptions options) {
    options.limit_s = limit_s_;
    const Cluster cluster = summit(devices);
    const Planned planned = make_plan(network, cluster, planner, options);
    Row row{planned.plan, planned.reason, 0.0, planned.search_s};
    if (planned.plan) {
      const Simulated simulated =
          simulate(network, cluster, *planned.plan, make_schedule(network, cluster, *planned.plan));
      row.iteration_s = simulated.iteration_s;
      row.depth = depth(network, *planned.plan);
      row.peak_bytes = *std::max_element(simulated.peak_bytes.begin(), simulated.peak_bytes.end());
    }
    note(network, devices, planner, options, row);
    return row;
  }

  const Json& rows() const { return rows_; }

 private:
  void note(const Computation& network, int devices, PlannerKind planner,
            const PlanOptions& options, const Row& row) {
    Json json;
    json["network"] = network.name;
    json["operators"] = static_cast<std::int64_t>(network.operators.size());
    json["devices"] = devices;
    json["planner"] = name(planner);
    json["schedule"] = name(options.schedule);
    json["batch"] = options.batch;
    json["micro_batch"] = options.micro_batch;
    json["search_s"] = row.search_s;
    if (row.plan) {
      json["iteration_s"] = row.iteration_s;
      json["stages"] = static_cast<std::int64_t>(row.plan->stages.size());
      json["depth"] = row.depth;
      json["peak_bytes"] = row.peak_bytes;
    } else {
      json["reason"] = row.reason;
    }
    rows_.push_back(std::move(json));
  }

  double limit_s_;
  Json rows_ = Json::Array();
};

std::string ratio(const Row& baseline, const Row& ours) {
  if (!ours.plan) return "-";
  if (!baseline.plan) return baseline.reason.starts_with("stopped") ? "time" : "none";
  return fmt::format("{:.2f}", baseline.iteration_s / ours.iteration_s);
}

std::string seconds(const Row& row) {
  return fmt::format("{}{:.3g}", row.plan ? "" : "> ", row.search_s);
}

PlanOptions options_of(int batch, int micro_batch, ScheduleKind schedule = ScheduleKind::kOneF1B) {
  PlanOptions options;
  options.batch = batch;
  options.micro_batch = micro_batch;
  options.schedule = schedule;
  return options;
}

// One row: our plans and the baselines' for the same options; the columns of both tables.
void compare(Bench& bench, const Computation& network, int devices, int batch, int micro_batch) {
  const PlanOptions options = options_of(batch, micro_batch);
  const PlanOptions split = options_of(batch, micro_batch, ScheduleKind::kSplit);
  const Row ours = bench.run(network, devices, PlannerKind::kGraphPipe, options);
  const Row ours_split = bench.run(network, devices, PlannerKind::kGraphPipe, split);
  // Where its search over all downsets ends without a plan, what it finds over one order.
  const Row all = bench.run(network, devices, PlannerKind::kPipeDream, options);
  const Row pipedream =
      all.plan ? all : bench.run(network, devices, PlannerKind::kPipeDreamLinear, options);
  const char* line = all.plan ? "" : " line";
  const Row piper = bench.run(network, devices, PlannerKind::kPiper, options);
  const Row alpa = bench.run(network, devices, PlannerKind::kAlpa, options);
  const auto describe = [](const Row& row, auto&& what) { return row.plan ? what(row) : "-"; };
  const auto depths = [](const Row& row) { return std::to_string(row.depth); };
  const auto peak = [](const Row& row) { return fmt::format("{:.2f}", row.peak_bytes / 1e9); };
  fmt::print(
      "| {} | {} | {} | {:.4g} | {}{} | {} | {} | {}{} | {} | {} / {} / {} | {} / {} / {} | {} / "
      "{} / "
      "{} |\n",
      network.name, devices, batch, 1e3 * ours.iteration_s, ratio(pipedream, ours), line,
      ratio(piper, ours), ratio(alpa, ours), ratio(pipedream, ours_split), line,
      ratio(alpa, ours_split), describe(ours, depths), describe(pipedream, depths),
      describe(alpa, depths), describe(ours, peak), describe(pipedream, peak), describe(alpa, peak),
      seconds(ours), seconds(all), seconds(piper));
  std::fflush(stdout);
}

void head(const char* title) {
  fmt::print(
      "\n### {}\n\n| network | devices | batch | ours ms | PipeDream / ours | Piper / ours | Alpa "
      "/ "
      "ours | PipeDream / ours split | Alpa / ours split | depth: ours / PipeDream / Alpa | peak "
      "GB: ours / PipeDream / Alpa | search s: ours / PipeDream / Piper |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|---|\n",
      title);
}

// Whole layers of MMT (33 operators): of its products, four a layer, Piper finds no plan.
constexpr int kMostOperators = 33;

Computation computation_of(const train::Network& network, std::string name) {
  Computation result =
      merge_neighbours(
          graph_computation(network, modelled(kV100), {.packs = kV100.packs}).computation,
          kMostOperators)
          .computation;
  result.name = std::move(name);
  // As in the paper, whose time per sample has no part for it.
  for (Operator& op : result.operators) op.update_s = 0.0;
  return result;
}

// Two branches of four times attention and two products, joined; eight devices (section 7.5).
void case_study(Bench& bench) {
  MmtConfig config;
  config.branches = 2;
  config.layers = 4;
  const Computation network = computation_of(mmt(config), "case study");
  head("The case study: two branches of four layers, eight devices");
  for (const int micro_batch : {1, 2, 4, 0}) compare(bench, network, 8, 64, micro_batch);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string out = argc > 1 ? argv[1] : "bench/results/pipeline_claims.json";
  const double limit_s = argc > 2 ? std::atof(argv[2]) : 60.0;
  Bench bench(limit_s);
  const Computation networks[] = {computation_of(mmt(), "mmt"), computation_of(dlrm(), "dlrm"),
                                  computation_of(candle_uno(), "candle-uno")};
  head("Micro-batches of one sample: no data parallelism inside a stage");
  for (const Computation& network : networks) {
    for (const int batch : {16, 32, 64, 128}) compare(bench, network, 32, batch, 1);
    for (const int devices : {4, 8, 16}) compare(bench, network, devices, 32, 1);
  }
  head("Micro-batches and data parallelism free, 16 samples a device");
  for (const Computation& network : networks) {
    for (const int devices : {4, 8, 16, 32}) compare(bench, network, devices, 16 * devices, 0);
  }
  head("CANDLE-Uno by its branches, 16 samples a device");
  for (const int branches : {2, 4, 8, 16}) {
    CandleUnoConfig config;
    config.branches = branches;
    const Computation network =
        computation_of(candle_uno(config), fmt::format("{} branches", branches));
    for (const int devices : {4, 8, 16}) compare(bench, network, devices, 16 * devices, 0);
  }
  case_study(bench);
  Json report;
  report["limit_s"] = limit_s;
  report["rows"] = bench.rows();
  write_file_atomically(out, report.dump());
}
