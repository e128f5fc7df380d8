// Profiles as a table and as JSON.
#include "cli/bench_profile.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "lamina/bench.h"

namespace lamina::cli {
namespace {

constexpr std::size_t kMostRuns = 200;

// The steps of a run, each with the median of its times.
std::vector<StepTime> median_times(Program& program, std::span<const Tensor> inputs,
                                   double seconds) {
  std::vector<StepTime> steps = program.profile(inputs);
  std::vector<std::vector<double>> times(steps.size());
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t run = 0; run < kMostRuns; ++run) {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    if (run > 0 && spent.count() > seconds) break;
    const std::vector<StepTime> now = program.profile(inputs);
    for (std::size_t s = 0; s < steps.size(); ++s) times[s].push_back(now[s].ms);
  }
  for (std::size_t s = 0; s < steps.size(); ++s) steps[s].ms = summarize(times[s]).median_ms;
  return steps;
}

// Steps that do the same: layers of a network.
struct Alike {
  StepTime first;
  int count = 0;
  double ms = 0.0;
};

std::vector<Alike> group(const std::vector<StepTime>& steps) {
  std::vector<Alike> groups;
  for (const StepTime& step : steps) {
    const auto same = [&](const Alike& other) {
      return other.first.op == step.op && other.first.tasks == step.tasks &&
             other.first.flops == step.flops;
    };
    auto at = std::find_if(groups.begin(), groups.end(), same);
    if (at == groups.end()) at = groups.insert(groups.end(), {step, 0, 0.0});
    ++at->count;
    at->ms += step.ms;
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Alike& a, const Alike& b) { return a.ms > b.ms; });
  return groups;
}

}  // namespace

void print_profile(Program& program, std::span<const Tensor> inputs, double seconds, Json& report) {
  const std::vector<StepTime> steps = median_times(program, inputs, seconds);
  Json& rows = report["steps"];
  rows = Json::Array();
  double total = 0.0;
  for (const StepTime& step : steps) {
    total += step.ms;
    Json row;
    row["name"] = step.name;
    row["op"] = step.op;
    row["tasks"] = step.tasks;
    row["flops"] = step.flops;
    row["ms"] = step.ms;
    rows.push_back(std::move(row));
  }
  if (steps.empty()) {
    fmt::print("profile    this device does not time steps\n");
    return;
  }
  fmt::print("\n{:<16} {:<24} {:>5} {:>7} {:>10} {:>6} {:>9}\n", "op", "first step", "times",
             "tasks", "ms in all", "share", "GFLOP/s");
  for (const Alike& alike : group(steps)) {
    fmt::print("{:<16} {:<24.24} {:>5} {:>7} {:>10.4f} {:>4.1f} % {:>9.1f}\n", alike.first.op,
               alike.first.name, alike.count, alike.first.tasks, alike.ms, 100.0 * alike.ms / total,
               alike.first.flops * alike.count / alike.ms / 1e6);
  }
}

}  // namespace lamina::cli
