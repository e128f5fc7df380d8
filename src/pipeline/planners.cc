// The table of planners, and what all of them share.
#include "pipeline/planners.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>

#include "base/check.h"
#include "lamina/schedule.h"
#include "pipeline/merge.h"

namespace lamina::pipeline {
namespace {

// Options that not all planners read.
struct Reads {
  bool recompute = false;
  bool chunks = false;
};
struct PlannerEntry {
  PlannerKind kind;
  std::string_view name;
  Planner plan;
  Reads reads;
};
constexpr std::array kPlanners = {
    PlannerEntry{PlannerKind::kGraphPipe, "graphpipe", plan_graphpipe, {.recompute = true}},
    PlannerEntry{PlannerKind::kPipeDream, "pipedream", plan_pipedream, {}},
    PlannerEntry{PlannerKind::kPipeDreamLinear, "pipedream-linear", plan_pipedream_linear, {}},
    PlannerEntry{PlannerKind::kPiper, "piper", plan_piper, {.recompute = true}},
    PlannerEntry{PlannerKind::kIdeals, "ideals", plan_ideals, {}},
    PlannerEntry{PlannerKind::kLinear, "linear", plan_linear, {}},
    PlannerEntry{PlannerKind::kAlpa, "alpa", plan_alpa, {.recompute = true}},
    PlannerEntry{PlannerKind::kChain, "chain", plan_chain, {.chunks = true}},
};

const PlannerEntry& entry(PlannerKind kind) {
  const auto found = std::find_if(kPlanners.begin(), kPlanners.end(),
                                  [&](const PlannerEntry& each) { return each.kind == kind; });
  check(found != kPlanners.end(), "planner {} is not in the table", static_cast<int>(kind));
  return *found;
}

}  // namespace

std::string_view name(PlannerKind kind) { return entry(kind).name; }

PlannerKind parse_planner_kind(std::string_view text) {
  std::string known;
  for (const PlannerEntry& each : kPlanners) {
    if (each.name == text) return each.kind;
    known += (known.empty() ? "" : ", ") + std::string(each.name);
  }
  fail(ErrorCode::kInvalidArgument, "there is no planner '{}'; known: {}", text, known);
}

namespace {

// Half of what a plan may have: devices may run two stages.
bool has_few_passes(int micro_batches, const Cluster& cluster) {
  return 2.0 * micro_batches * static_cast<double>(cluster.devices.size()) <= kMostPasses / 2.0;
}

}  // namespace

std::vector<int> micro_batches(const PlanOptions& options, const Cluster& cluster) {
  if (options.micro_batch > 0) return {options.micro_batch};
  std::vector<int> sizes;
  for (int count = 1; count <= options.batch / count; ++count) {
    if (options.batch % count != 0) continue;
    sizes.push_back(options.batch / count);
    sizes.push_back(count);
  }
  std::sort(sizes.begin(), sizes.end(), std::greater<>());
  std::vector<int> kept;
  for (const int size : sizes) {
    if (!kept.empty() && size > 0.75 * kept.back()) continue;
    if (!kept.empty() && !has_few_passes(options.batch / size, cluster)) break;
    kept.push_back(size);
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

bool fits(const Computation& computation, const Cluster& cluster, const Plan& plan) {
  const std::vector<double> bytes = device_memory(computation, cluster, plan);
  for (std::size_t d = 0; d < bytes.size(); ++d) {
    if (bytes[d] > cluster.devices[d].memory_bytes) return false;
  }
  return true;
}

double iteration_seconds(const Computation& computation, const Cluster& cluster, const Plan& plan) {
  return simulate(computation, cluster, plan, make_schedule(computation, cluster, plan))
      .iteration_s;
}

namespace {

Planned search(const Computation& computation, const Cluster& cluster, PlannerKind planner,
               const PlanOptions& options) {
  if (options.most_operators == 0) return entry(planner).plan(computation, cluster, options);
  const Merged merged = merge_neighbours(computation, options.most_operators);
  Planned planned = entry(planner).plan(merged.computation, cluster, options);
  if (planned.plan) planned.plan = unmerged(std::move(*planned.plan), merged);
  return planned;
}

// An option that the planner does not read would change nothing, and nobody would notice.
void check_reads(PlannerKind planner, bool Reads::*option, std::string_view what) {
  if (entry(planner).reads.*option) return;
  std::string readers;
  for (const PlannerEntry& each : kPlanners) {
    if (each.reads.*option) readers += (readers.empty() ? "" : ", ") + std::string(each.name);
  }
  fail(ErrorCode::kInvalidArgument, "planner {} does not read {}; those that do: {}", name(planner),
       what, readers);
}

}  // namespace

Planned make_plan(const Computation& computation, const Cluster& cluster, PlannerKind planner,
                  const PlanOptions& options) {
  validate(computation);
  validate(cluster);
  require(!computation.operators.empty(), "{}: a network without operators has no plan",
          computation.name);
  require(options.batch > 0, "the batch must be positive, got {}", options.batch);
  require(options.batch <= kMostSamples, "a batch of {} samples, of at most {}", options.batch,
          kMostSamples);
  require(options.micro_batch >= 0 &&
              (options.micro_batch == 0 || options.batch % options.micro_batch == 0),
          "micro-batches of {} do not divide the batch of {}", options.micro_batch, options.batch);
  require(options.micro_batch == 0 || has_few_passes(options.batch / options.micro_batch, cluster),
          "micro-batches of {} make {} of a batch: too many for schedules of {} devices",
          options.micro_batch, options.batch / std::max(options.micro_batch, 1),
          cluster.devices.size());
  require(options.most_operators >= 0, "the number of operators must not be negative, got {}",
          options.most_operators);
  require(options.chunks > 0, "chunks must be positive, got {}", options.chunks);
  if (options.chunks > 1) check_reads(planner, &Reads::chunks, "chunks");
  if (options.recompute) check_reads(planner, &Reads::recompute, "recompute");
  const auto start = std::chrono::steady_clock::now();
  Planned planned = search(computation, cluster, planner, options);
  planned.search_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (planned.plan) {
    validate(computation, cluster, *planned.plan);
    check(fits(computation, cluster, *planned.plan), "the plan of {} does not fit the memory",
          name(planner));
  }
  return planned;
}

}  // namespace lamina::pipeline
