// What stages cost: seconds of their passes and bytes on their devices.
#include <algorithm>

#include "base/check.h"
#include "lamina/pipeline.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {
namespace {

double slowest_speed(const Cluster& cluster, const Stage& stage) {
  double speed = cluster.devices[static_cast<std::size_t>(stage.devices.front())].speed;
  for (const int device : stage.devices) {
    speed = std::min(speed, cluster.devices[static_cast<std::size_t>(device)].speed);
  }
  return speed;
}

// Seconds of a ring all-reduce: every device sends 2 (d - 1) / d of the bytes, in 2 (d - 1) steps.
double reduce_seconds(const Cluster& cluster, const Stage& stage, double bytes) {
  const auto devices = static_cast<double>(stage.devices.size());
  if (devices < 2.0 || bytes <= 0.0) return 0.0;
  const auto node = [&](int device) {
    return cluster.devices[static_cast<std::size_t>(device)].node;
  };
  const bool one_node = std::all_of(stage.devices.begin(), stage.devices.end(), [&](int device) {
    return node(device) == node(stage.devices.front());
  });
  const Link& link = one_node ? cluster.inside : cluster.between;
  const double steps = 2.0 * (devices - 1.0);
  return steps / devices * bytes / link.bytes_per_s + steps * link.latency_s;
}

// Of a sample, over the borders of a stage.
struct Borders {
  double in = 0.0;
  double out = 0.0;
};

Borders borders_of(const StageGraph& graph, std::size_t stage) {
  const auto sum = [&](const std::vector<int>& edges) {
    double bytes = 0.0;
    for (const int e : edges) bytes += graph.edges[static_cast<std::size_t>(e)].bytes;
    return bytes;
  };
  return {sum(graph.in[stage]), sum(graph.out[stage])};
}

StageCost cost_of(const Computation& computation, const Cluster& cluster, const Stage& stage,
                  bool splits, const Borders& borders) {
  const auto devices = static_cast<double>(stage.devices.size());
  const double samples = stage.micro_batch / devices;
  StageCost cost;
  double parameters = 0.0, fixed = 0.0, saved = 0.0, split = 0.0, workspace = 0.0;
  for (const int index : stage.operators) {
    const Operator& op = computation.operators[static_cast<std::size_t>(index)];
    const auto pass = [&](double rate) { return op.pass_s(rate, samples); };
    cost.forward_s += pass(op.forward_s);
    cost.input_gradient_s += pass(op.input_gradient_s);
    cost.weight_gradient_s += pass(op.weight_gradient_s);
    cost.update_s += op.update_s;
    parameters += op.parameter_bytes;
    fixed += op.fixed_bytes;
    saved += samples * op.saved_bytes;
    split += samples * op.split_bytes;
    workspace = std::max(workspace, samples * op.workspace_bytes);
  }
  const double speed = slowest_speed(cluster, stage);
  for (double* seconds :
       {&cost.forward_s, &cost.input_gradient_s, &cost.weight_gradient_s, &cost.update_s}) {
    *seconds /= speed;
  }
  if (stage.recompute) cost.input_gradient_s += cost.forward_s;
  cost.reduce_s = reduce_seconds(cluster, stage, parameters);
  const double shares = stage.shard_optimizer ? devices : 1.0;
  cost.update_s /= shares;
  // The backward pass of a stage that recomputes packs what its forward pass packs, too.
  cost.parameter_bytes = parameters * (2.0 + computation.optimizer_ratio / shares) +
                         fixed * (stage.recompute ? 2.0 : 1.0);
  const KeptBytes kept = kept_bytes(saved, split, stage.recompute, splits);
  // What is on its way out, either way, has a place among what is saved, if anything is.
  const double crossing = borders.in + (stage.recompute ? borders.in + borders.out : 0.0);
  cost.saved_bytes = samples * crossing + kept.saved;
  cost.workspace_bytes = workspace + kept.workspace;
  return cost;
}

int share_size(const Stage& stage) {
  return stage.micro_batch / static_cast<int>(stage.devices.size());
}

// Samples that `from` may have sent to a device of `to` which has not begun with them while as much
// as is allowed is in flight there. `from` has at most its own in flight, and ends none before `to`
// has: what is in flight at `to` is among it, but for weight gradients that `to` does later.
int waiting_samples(const Plan& plan, const Stage& from, const Stage& to) {
  const int sent = from.in_flight * from.micro_batch;
  const int micro_batches = (sent + to.micro_batch - 1) / to.micro_batch;
  const int begun = splits_backward(plan) ? 0 : to.in_flight;
  return std::max(micro_batches - begun, 0) * share_size(to);
}

}  // namespace

std::vector<StageCost> stage_costs(const Computation& computation, const Cluster& cluster,
                                   const Plan& plan) {
  const StageGraph graph = stage_graph(computation, plan);
  std::vector<StageCost> costs;
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    costs.push_back(
        cost_of(computation, cluster, plan.stages[s], splits_backward(plan), borders_of(graph, s)));
  }
  return costs;
}

std::vector<double> stage_memory(const Computation& computation, const Cluster& cluster,
                                 const Plan& plan) {
  const StageGraph graph = stage_graph(computation, plan);
  const std::vector<StageCost> costs = stage_costs(computation, cluster, plan);
  std::vector<double> bytes;
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const Stage& stage = plan.stages[s];
    bytes.push_back(costs[s].parameter_bytes + stage.in_flight * costs[s].saved_bytes +
                    costs[s].workspace_bytes);
  }
  for (const StageEdge& edge : graph.edges) {
    const auto i = static_cast<std::size_t>(edge.from), j = static_cast<std::size_t>(edge.to);
    bytes[j] += edge.bytes * waiting_samples(plan, plan.stages[i], plan.stages[j]);
    bytes[i] += edge.bytes * plan.stages[i].in_flight * share_size(plan.stages[i]);
  }
  return bytes;
}

std::vector<double> device_memory(const Computation& computation, const Cluster& cluster,
                                  const Plan& plan) {
  const std::vector<double> of_stages = stage_memory(computation, cluster, plan);
  std::vector<double> bytes(cluster.devices.size(), 0.0);
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    for (const int device : plan.stages[s].devices) {
      bytes[static_cast<std::size_t>(device)] += of_stages[s];
    }
  }
  return bytes;
}

void check_memory(const Cluster& cluster, std::span<const double> bytes) {
  for (std::size_t d = 0; d < bytes.size(); ++d) {
    const double has = cluster.devices.at(d).memory_bytes;
    if (bytes[d] <= has) continue;
    fail(ErrorCode::kExhausted,
         "the plan does not fit: device {} may need {:.6g} MB and has {:.6g}", d, bytes[d] / 1e6,
         has / 1e6);
  }
}

}  // namespace lamina::pipeline
