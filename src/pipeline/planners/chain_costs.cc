// Times and memory of a stage between two downsets, by sums over their operators.
#include "pipeline/planners/chain_costs.h"

#include <algorithm>
#include <climits>

#include "pipeline/index.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {
namespace {

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
double fixed_of(const Operator& op, double rate) { return op.fixed_of(rate); }

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
  sums_.resize(static_cast<std::size_t>(sets.size()));
  const auto add = [&](double StageSums::*member, auto&& value) {
    const std::vector<double> sums = sets.sums(values_of(computation, value));
    for (std::size_t set = 0; set < sums.size(); ++set) sums_[set].*member = sums[set];
  };
  add(&StageSums::forward_rate, [](const Operator& op) { return op.forward_s; });
  add(&StageSums::forward_fixed, [](const Operator& op) { return op.fixed_of(op.forward_s); });
  add(&StageSums::rate, [](const Operator& op) { return passes_s(op, rate_of); });
  add(&StageSums::fixed, [](const Operator& op) { return passes_s(op, fixed_of); });
  add(&StageSums::parameters, [](const Operator& op) { return op.parameter_bytes; });
  add(&StageSums::fixed_bytes, [](const Operator& op) { return op.fixed_bytes; });
  add(&StageSums::saved, [](const Operator& op) { return op.saved_bytes; });
  add(&StageSums::split, [](const Operator& op) { return op.split_bytes; });
  for (const Operator& op : computation.operators) {
    most_workspace_ = std::max(most_workspace_, op.workspace_bytes);
  }
}

StageSums ChainCosts::sums(int inner, int outer) const {
  const StageSums& less = sums_[at(inner)];
  StageSums stage = sums_[at(outer)];
  stage.inner = inner;
  stage.outer = outer;
  for (double StageSums::*member :
       {&StageSums::forward_rate, &StageSums::forward_fixed, &StageSums::rate, &StageSums::fixed,
        &StageSums::parameters, &StageSums::fixed_bytes, &StageSums::saved, &StageSums::split}) {
    stage.*member -= less.*member;
  }
  const Crossings::Cost bytes = crossings_.of_stage(inner, outer);
  stage.in = bytes.in;
  stage.out = bytes.out;
  return stage;
}

double ChainCosts::seconds(const StageSums& stage, int devices, bool recompute) const {
  const double rate = stage.rate + (recompute ? stage.forward_rate : 0.0);
  const double fixed = stage.fixed + (recompute ? stage.forward_fixed : 0.0);
  return (rate / devices + fixed / micro_batch_) / speed_;
}

double ChainCosts::reduce_s(const StageSums& stage, int devices) const {
  if (devices < 2 || stage.parameters <= 0.0) return 0.0;
  const double steps = 2.0 * (devices - 1);
  const double seconds =
      steps / devices * stage.parameters / link_.bytes_per_s + steps * link_.latency_s;
  return seconds / options_.batch;
}

int ChainCosts::most_stages(const StageSums& stage, int devices, bool recompute) const {
  const double samples = static_cast<double>(micro_batch_) / devices;
  const double shares = options_.shard_optimizer ? devices : 1.0;
  const double parameters = stage.parameters * (2.0 + computation_.optimizer_ratio / shares) +
                            stage.fixed_bytes * (recompute ? 2.0 : 1.0);
  // The stage before has one micro-batch more in flight, which waits here; where backward passes
  // are split, all of its own wait.
  const bool splits = splits_backward(options_.schedule);
  const double waiting = splits ? stage.in : 0.0;
  const KeptBytes kept = kept_bytes(stage.saved, stage.split, recompute, splits);
  const double sent = recompute ? stage.in + stage.out : 0.0;
  const double in_flight = samples * (stage.in + stage.out + waiting + sent + kept.saved);
  const double left =
      memory_bytes_ * memory_share_ - parameters - samples * (stage.in + kept.workspace);
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

double ChainCosts::workspace_bytes(const StageSums& stage) const {
  double bytes = 0.0;
  for (const int node : sets_.between(stage.inner, stage.outer)) {
    bytes = std::max(bytes, computation_.operators[at(node)].workspace_bytes);
  }
  return bytes;
}

}  // namespace lamina::pipeline
