// Stages with equal shares of the time, in the order of the operators, one device each (or, with
// chunks, every device several in turn: interleaved pipelines, arXiv:2104.04473, section 2.2): what
// one writes by hand.
#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "pipeline/planners.h"

namespace lamina::pipeline {
namespace {

// All passes of one micro-batch.
double seconds(const Operator& op, int micro_batch) {
  double sum = 0.0;
  for (const double rate : {op.forward_s, op.input_gradient_s, op.weight_gradient_s}) {
    sum += op.pass_s(rate, micro_batch);
  }
  return sum;
}

// The operators of each of at most `count` stages.
std::vector<std::vector<int>> equal_shares(const Computation& computation, int count,
                                           int micro_batch) {
  double total = 0.0;
  for (const Operator& op : computation.operators) total += seconds(op, micro_batch);
  std::vector<std::vector<int>> shares(1);
  double before = 0.0;
  for (std::size_t i = 0; i < computation.operators.size(); ++i) {
    const double own = seconds(computation.operators[i], micro_batch);
    const double middle = before + 0.5 * own;
    const bool is_next = middle * count >= total * static_cast<double>(shares.size());
    if (is_next && !shares.back().empty()) shares.emplace_back();
    shares.back().push_back(static_cast<int>(i));
    before += own;
  }
  return shares;
}

}  // namespace

Planned plan_chain(const Computation& computation, const Cluster& cluster,
                   const PlanOptions& options) {
  const auto devices = static_cast<int>(cluster.devices.size());
  const int count = devices * options.chunks;
  Planned best;
  double best_s = 0.0;
  for (const int size : micro_batches(options, cluster)) {
    const auto shares = equal_shares(computation, count, size);
    Plan plan{computation.name, "chain", options.batch, options.schedule, {}, true};
    for (std::size_t s = 0; s < shares.size(); ++s) {
      const auto device = static_cast<int>(s) % devices;
      plan.stages.push_back({.operators = shares[s], .devices = {device}, .micro_batch = size});
    }
    set_in_flight(computation, plan);
    ++best.states;
    if (!fits(computation, cluster, plan)) continue;
    const double iteration_s = iteration_seconds(computation, cluster, plan);
    if (best.plan && iteration_s >= best_s) continue;
    best.plan = std::move(plan);
    best_s = iteration_s;
  }
  if (!best.plan) {
    best.reason = fmt::format("no chain of up to {} equal stages fits the memory", count);
  }
  return best;
}

}  // namespace lamina::pipeline
