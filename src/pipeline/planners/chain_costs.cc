// Times and memory of a stage between two downsets, by sums over their operators.
#include "pipeline/planners/chain_costs.h"

#include <algorithm>
#include <climits>

namespace lamina::pipeline {
namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

bool has_several_nodes(const Cluster& cluster) {
  return std::any_of(cluster.devices.begin(), cluster.devices.end(), [&](const DeviceSpec& device) {
    return device.node != cluster.devices.front().node;
  });
}

template <class Value>
std::vector<double> values_of(const Computation& computation, Value&& value) {
  std::vector<double> values;
  for (const Operator& op : computation.operators) values.push_back(value(op));
  return values;
}

double passes_s(const Operator& op, double (*cost)(const Operator&, double rate)) {
  return cost(op, op.forward_s) + cost(op, op.input_gradient_s) + cost(op, op.weight_gradient_s);
}
double rate_of(const Operator&, double rate) { return rate; }
double fixed_of(const Operator& op, double rate) { return rate > 0.0 ? op.fixed_s : 0.0; }

}  // namespace

std::vector<std::pair<int, int>> pairs_of(const Computation& computation) {
  std::vector<std::pair<int, int>> pairs;
  for (const Edge& edge : computation.edges) pairs.emplace_back(edge.from, edge.to);
  return pairs;
}

std::vector<Flow> tensors_of(const Computation& computation) {
  std::vector<Flow> flows(computation.operators.size());
  for (std::size_t i = 0; i < flows.size(); ++i) flows[i].producer = static_cast<int>(i);
  for (const Edge& edge : computation.edges) {
    Flow& flow = flows[at(edge.from)];
    flow.consumers.push_back(edge.to);
    flow.cost = std::max(flow.cost, edge.bytes);
  }
  std::erase_if(flows, [](const Flow& flow) { return flow.consumers.empty(); });
  return flows;
}

std::vector<int> linear_order(int nodes, const std::vector<std::pair<int, int>>& edges) {
  std::vector<std::vector<int>> after(at(nodes));
  std::vector<int> waiting(at(nodes), 0);
  for (const auto& [from, to] : edges) {
    after[at(from)].push_back(to);
    ++waiting[at(to)];
  }
  std::vector<int> ready;
  for (int node = 0; node < nodes; ++node) {
    if (waiting[at(node)] == 0) ready.push_back(node);
  }
  std::vector<int> order;
  while (!ready.empty()) {
    const int node = ready.back();
    ready.pop_back();
    order.push_back(node);
    for (const int to : after[at(node)]) {
      if (--waiting[at(to)] == 0) ready.push_back(to);
    }
  }
  return order;
}

std::vector<std::pair<int, int>> chain_of(const std::vector<int>& order) {
  std::vector<std::pair<int, int>> chain;
  for (std::size_t i = 1; i < order.size(); ++i) chain.emplace_back(order[i - 1], order[i]);
  return chain;
}

ChainCosts::ChainCosts(const Computation& computation, const Cluster& cluster,
                       const PlanOptions& options, const Downsets& sets)
    : computation_(computation),
      options_(options),
      sets_(sets),
      crossings_(sets, tensors_of(computation)),
      link_(has_several_nodes(cluster) ? cluster.between : cluster.inside),
      speed_(cluster.devices.front().speed),
      memory_bytes_(cluster.devices.front().memory_bytes) {
  for (const DeviceSpec& device : cluster.devices) {
    speed_ = std::min(speed_, device.speed);
    memory_bytes_ = std::min(memory_bytes_, device.memory_bytes);
  }
  const auto sums = [&](auto&& value) { return sets.sums(values_of(computation, value)); };
  forward_rate_ = sums([](const Operator& op) { return op.forward_s; });
  forward_fixed_ = sums([](const Operator& op) { return fixed_of(op, op.forward_s); });
  rate_ = sums([](const Operator& op) { return passes_s(op, rate_of); });
  fixed_ = sums([](const Operator& op) { return passes_s(op, fixed_of); });
  parameters_ = sums([](const Operator& op) { return op.parameter_bytes; });
  saved_ = sums([](const Operator& op) { return op.saved_bytes; });
  for (const Operator& op : computation.operators) {
    most_workspace_ = std::max(most_workspace_, op.workspace_bytes);
  }
}

double ChainCosts::seconds(const ChainStage& stage) const {
  const auto sum = [&](const std::vector<double>& values) {
    return values[at(stage.outer)] - values[at(stage.inner)];
  };
  double rate = sum(rate_), fixed = sum(fixed_);
  if (stage.recompute) {
    rate += sum(forward_rate_);
    fixed += sum(forward_fixed_);
  }
  return (rate / stage.devices + fixed / micro_batch_) / speed_;
}

double ChainCosts::reduce_s(const ChainStage& stage) const {
  const double bytes = parameters_[at(stage.outer)] - parameters_[at(stage.inner)];
  if (stage.devices < 2 || bytes <= 0.0) return 0.0;
  const double steps = 2.0 * (stage.devices - 1);
  const double seconds =
      steps / stage.devices * bytes / link_.bytes_per_s + steps * link_.latency_s;
  return seconds / options_.batch;
}

double ChainCosts::transfer_s(const ChainStage& stage) const {
  const Crossings::Cost bytes = crossings_.of_stage(stage.inner, stage.outer);
  return 2.0 * (bytes.in + bytes.out) / link_.bytes_per_s / stage.devices;
}

int ChainCosts::most_stages(const ChainStage& stage) const {
  const double samples = static_cast<double>(micro_batch_) / stage.devices;
  const Crossings::Cost bytes = crossings_.of_stage(stage.inner, stage.outer);
  const double saved = saved_[at(stage.outer)] - saved_[at(stage.inner)];
  const double shares = options_.shard_optimizer ? stage.devices : 1.0;
  const double parameters = (parameters_[at(stage.outer)] - parameters_[at(stage.inner)]) *
                            (2.0 + computation_.optimizer_ratio / shares);
  // The stage before has one micro-batch more in flight, which waits here; where backward passes
  // are split, all of its own wait.
  const double waiting = options_.schedule == ScheduleKind::kSplit ? bytes.in : 0.0;
  const double in_flight =
      samples * (bytes.in + bytes.out + waiting + (stage.recompute ? 0.0 : saved));
  const double left = memory_bytes_ * memory_share_ - parameters - samples * bytes.in -
                      (stage.recompute ? samples * saved : 0.0);
  const auto most = [&](double workspace) {
    const double room = left - samples * workspace;
    if (room < 0.0) return 0;
    if (room >= in_flight * micro_batches()) return INT_MAX;
    return options_.schedule == ScheduleKind::kGPipe ? 0 : static_cast<int>(room / in_flight);
  };
  const int certain = most(most_workspace_);
  if (certain == INT_MAX || most(0.0) == certain) return certain;
  return most(workspace_bytes(stage));
}

double ChainCosts::workspace_bytes(const ChainStage& stage) const {
  double bytes = 0.0;
  for (const int node : sets_.between(stage.inner, stage.outer)) {
    bytes = std::max(bytes, computation_.operators[at(node)].workspace_bytes);
  }
  return bytes;
}

}  // namespace lamina::pipeline
