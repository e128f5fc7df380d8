// lamina simulate: how long an iteration of a plan takes, and what every rank holds meanwhile.
#include <fmt/core.h>

#include <algorithm>

#include "base/check.h"
#include "base/files.h"
#include "cli/command.h"
#include "cli/output_files.h"
#include "lamina/schedule.h"

namespace lamina::cli {
namespace {

using namespace lamina::pipeline;

struct SimulateCommandOptions {
  std::string plan;
  std::string computation;
  std::string cluster;
  std::string schedule;
  double profile_batch = 1.0;
  bool no_links = false;
  std::string write_schedule;
  std::string trace;
  std::string svg;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("PLAN", self.plan, "the plan, JSON");
    visit("COMPUTATION", self.computation,
          "the network: our JSON, or a profile of PipeDream or Piper");
    visit("CLUSTER", self.cluster, "the machines, JSON");
    visit("schedule", self.schedule, "run this schedule, not the one that follows from the plan");
    visit("profile_batch", self.profile_batch, "samples that PipeDream's profile measured at once");
    visit("no_links", self.no_links, "messages take no time");
    visit("write_schedule", self.write_schedule,
          "write the action lists of all ranks to this file");
    visit("trace", self.trace, "write a trace for chrome://tracing to this file");
    visit("svg", self.svg, "write a picture to this file");
  }
};

void describe_stages(const Plan& plan, const std::vector<double>& bounds,
                     const Simulated& simulated, Json& report) {
  fmt::print("\n{:>5} {:>9} {:>7} {:>11} {:>9} {:>9} {:>14} {:>14}\n", "stage", "operators",
             "devices", "micro-batch", "in flight", "allowed", "device peak MB", "at most MB");
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const Stage& stage = plan.stages[s];
    const auto most = [&](const std::vector<double>& bytes) {
      double of_all = 0.0;
      for (const int d : stage.devices)
        of_all = std::max(of_all, bytes[static_cast<std::size_t>(d)]);
      return of_all;
    };
    const double peak = most(simulated.peak_bytes), bound = most(bounds);
    fmt::print("{:>5} {:>9} {:>7} {:>11} {:>9} {:>9} {:>14.4g} {:>14.4g}\n", s,
               stage.operators.size(), stage.devices.size(), stage.micro_batch,
               simulated.peak_in_flight[s], stage.in_flight, peak / 1e6, bound / 1e6);
    Json row;
    row["in_flight"] = simulated.peak_in_flight[s];
    row["allowed"] = stage.in_flight;
    row["peak_bytes"] = peak;
    row["planned_bytes"] = bound;
    report["stages"].push_back(std::move(row));
  }
}

int simulate_plan(const SimulateCommandOptions& options, Json& report) {
  check_writable({options.write_schedule, options.trace, options.svg});
  const Computation computation = load_computation(options.computation, options.profile_batch);
  const Cluster cluster = load_cluster(options.cluster);
  const Plan plan = load_plan(options.plan);
  validate(computation, cluster, plan);
  const Schedule schedule = options.schedule.empty()
                                ? make_schedule(computation, cluster, plan)
                                : parse_schedule(read_file(options.schedule), options.schedule);
  const Simulated simulated =
      simulate(computation, cluster, plan, schedule, {.links = !options.no_links});
  const int stages = depth(computation, plan);
  fmt::print("iteration {:.6g} s, {:.6g} samples/s, bubble {:.1f} %, depth {}\n",
             simulated.iteration_s, plan.batch / simulated.iteration_s, 100.0 * simulated.bubble,
             stages);
  report["iteration_s"] = simulated.iteration_s;
  report["bubble"] = simulated.bubble;
  report["depth"] = stages;
  const std::vector<double> bounds = device_memory(computation, cluster, plan);
  describe_stages(plan, bounds, simulated, report);
  if (!options.write_schedule.empty()) {
    write_file_atomically(options.write_schedule, print_schedule(schedule));
  }
  if (!options.trace.empty()) write_file_atomically(options.trace, chrome_trace(plan, simulated));
  if (!options.svg.empty()) write_file_atomically(options.svg, schedule_svg(plan, simulated));
  check_memory(cluster, bounds);  // last: one sees what a plan needs that does not fit
  return kYes;
}

}  // namespace

Command simulate_command() {
  return command<SimulateCommandOptions>("simulate", "run the schedule of a plan in simulated time",
                                         simulate_plan);
}

}  // namespace lamina::cli
