// Plans as steps, compared with the step of the network.
#include "cli/plan_prove.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "lamina/pipeline_run.h"

namespace lamina::cli {
namespace {

using namespace lamina::pipeline;

// The plan with as few samples a device as keep the micro-batches' proportions, and two of the
// largest micro-batch.
Plan small_instance(const Plan& plan) {
  int common = 0;
  for (const Stage& stage : plan.stages) {
    common = std::gcd(common, stage.micro_batch / static_cast<int>(stage.devices.size()));
  }
  Plan small = plan;
  int shared = 1;
  for (Stage& stage : small.stages) {
    stage.micro_batch /= common;
    shared = std::lcm(shared, stage.micro_batch);
  }
  small.batch = std::min(plan.batch / common, 2 * shared);
  return small;
}

}  // namespace

Outcome prove_plan(const PlanInput& input, const Plan& plan, Json& report) {
  require(input.is_trained, "--prove: '{}' has no loss and no step of training", plan.computation);
  const Plan small = small_instance(plan);
  const auto [in_stages, whole] = step_graphs(input.network, small, input.frozen);
  const Verdict verdict = verify(in_stages, whole);
  fmt::print(
      "\nstep of {} samples in stages against the network's, loss and {} gradients: {}: {}\n",
      small.batch, whole.outputs.size() - 1, to_string(verdict.outcome), verdict.reason);
  Json proof;
  proof["outcome"] = std::string(to_string(verdict.outcome));
  proof["reason"] = verdict.reason;
  if (verdict.bits) proof["bits"] = *verdict.bits;
  proof["samples"] = small.batch;
  proof["gradients"] = static_cast<std::int64_t>(whole.outputs.size()) - 1;
  report["proof"] = std::move(proof);
  return verdict.outcome;
}

}  // namespace lamina::cli
