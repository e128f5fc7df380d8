// The order of passes of interleaved pipelines.
#include "pipeline/interleaved.h"

#include <algorithm>

namespace lamina::pipeline {
namespace {

using Kind = Action::Kind;

// Groups of devices: the stages before the first that has the devices of stage 0 again.
int groups_of(const Plan& plan) {
  std::size_t groups = 1;
  while (groups < plan.stages.size() && plan.stages[groups].devices != plan.stages[0].devices) {
    ++groups;
  }
  return static_cast<int>(groups);
}

// Pass number `n` of one kind on a group of devices.
PassStep step_of(Kind kind, int n, int group, int groups, int rounds) {
  const int round = n % (groups * rounds) / groups;
  const int at = kind == Kind::kForward ? round : rounds - 1 - round;
  return {kind, at * groups + group, n / (groups * rounds) * groups + n % groups};
}

}  // namespace

bool is_interleaved(const Plan& plan, const StageGraph& graph) {
  const auto groups = static_cast<std::size_t>(groups_of(plan));
  const std::size_t count = plan.stages.size();
  if (plan.schedule != ScheduleKind::kOneF1B || groups == count || count % groups != 0)
    return false;
  const int micro_batches = plan.batch / plan.stages[0].micro_batch;
  if (micro_batches % static_cast<int>(groups) != 0) return false;
  for (std::size_t s = 0; s < count; ++s) {
    const Stage& stage = plan.stages[s];
    const bool turns = stage.devices == plan.stages[s % groups].devices;
    if (!turns || stage.micro_batch != plan.stages[0].micro_batch || stage.run != 1) return false;
    const bool chained = std::all_of(graph.out[s].begin(), graph.out[s].end(), [&](int e) {
      return graph.edges[static_cast<std::size_t>(e)].to == static_cast<int>(s) + 1;
    });
    if (!chained) return false;
  }
  return true;
}

std::vector<Turns> order_interleaved(const Plan& plan) {
  const int groups = groups_of(plan);
  const int rounds = static_cast<int>(plan.stages.size()) / groups;
  const int total = plan.batch / plan.stages[0].micro_batch * rounds;
  std::vector<Turns> all;
  for (int group = 0; group < groups; ++group) {
    Turns turns{plan.stages[static_cast<std::size_t>(group)].devices, {}, {}};
    for (int round = 0; round < rounds; ++round) turns.stages.push_back(round * groups + group);
    const int warm_up = std::min(total, 2 * (groups - group - 1) + (rounds - 1) * groups);
    for (int n = 0; n < total + warm_up; ++n) {
      if (n < total) turns.steps.push_back(step_of(Kind::kForward, n, group, groups, rounds));
      if (n < warm_up) continue;
      turns.steps.push_back(step_of(Kind::kBackward, n - warm_up, group, groups, rounds));
    }
    all.push_back(std::move(turns));
  }
  return all;
}

std::vector<int> interleaved_in_flight(const Plan& plan) {
  std::vector<int> now(plan.stages.size(), 0), most(plan.stages.size(), 0);
  for (const Turns& turns : order_interleaved(plan)) {
    for (const PassStep& step : turns.steps) {
      const auto s = static_cast<std::size_t>(step.stage);
      now[s] += step.kind == Kind::kForward ? 1 : -1;
      most[s] = std::max(most[s], now[s]);
    }
  }
  return most;
}

}  // namespace lamina::pipeline
