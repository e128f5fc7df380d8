// PipeDream's planner: chains of stages with replication, inside nodes and over them.
#include "pipeline/planners/pipedream.h"

#include <fmt/core.h>

#include <algorithm>
#include <climits>
#include <map>
#include <memory>
#include <optional>

#include "pipeline/planners.h"
#include "pipeline/planners/chain_judge.h"

namespace lamina::pipeline {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// Nodes with the same number of devices: two levels; anything else is one.
struct Machines {
  int nodes = 1;
  int per_node = 1;
};
Machines machines_of(const Cluster& cluster) {
  std::map<int, int> counts;  // of devices, by node
  for (const DeviceSpec& device : cluster.devices) ++counts[device.node];
  const int first = counts.begin()->second;
  const bool alike = std::all_of(counts.begin(), counts.end(),
                                 [&](const auto& each) { return each.second == first; });
  if (!alike || counts.size() == 1 || first == 1) {
    return {1, static_cast<int>(cluster.devices.size())};
  }
  return {static_cast<int>(counts.size()), first};
}

// The devices of a node, or all of them. Replicas must divide the samples that the node gets.
MachineLevel device_level(const ChainCosts& costs, int machines, int samples) {
  MachineLevel level;
  level.machines = machines;
  for (int set = 0; set < costs.sets().size(); ++set) {
    level.border_s.push_back(costs.border_s(set));
  }
  std::vector<ReplicatedLoad> loads(static_cast<std::size_t>(machines));
  level.loads = [&costs, samples, loads](int inner, int outer) mutable {
    const StageSums stage = costs.sums(inner, outer);
    for (std::size_t i = 0; i < loads.size(); ++i) {
      const auto replicas = static_cast<int>(i) + 1;
      loads[i] = {};
      if (samples % replicas != 0) continue;
      const int most = costs.most_stages(stage, replicas);
      if (most == 0) continue;
      loads[i] = {costs.seconds(stage, replicas) + costs.reduce_s(stage, replicas), most - 1};
    }
    return std::span<const ReplicatedLoad>(loads);
  };
  return level;
}

int best_machines(const LevelSearch& search, int set, int most) {
  int best = 1;
  for (int machines = 2; machines <= most; ++machines) {
    if (search.seconds(set, machines) < search.seconds(set, best)) best = machines;
  }
  return best;
}

// The second level: nodes as machines. Of operators that one of its stages gives to a node, the
// first level says how their devices share them.
class NodeLevel {
 public:
  NodeLevel(const ChainCosts& costs, const Cluster& cluster, const Machines& machines,
            const std::vector<std::vector<int>>& supersets)
      : costs_(costs), inside_(costs), machines_(machines), supersets_(supersets) {
    inside_.set_link(cluster.inside);
  }

  FoundChain search(const Deadline& deadline) {
    MachineLevel level;
    level.machines = machines_.nodes;
    for (int set = 0; set < costs_.sets().size(); ++set) {
      level.border_s.push_back(costs_.border_s(set));
    }
    std::vector<ReplicatedLoad> loads(static_cast<std::size_t>(level.machines));
    level.loads = [&](int inner, int outer) {
      const StageSums stage = costs_.sums(inner, outer);
      for (int replicas = 1; replicas <= level.machines; ++replicas) {
        ReplicatedLoad& load = loads[static_cast<std::size_t>(replicas - 1)];
        load = {};
        const LevelSearch* row = row_of(inner, replicas, deadline);
        if (row == nullptr) continue;
        const int machines = best_machines(*row, outer, machines_.per_node);
        load = {row->seconds(outer, machines) / replicas + costs_.reduce_s(stage, replicas),
                level.machines};
      }
      return std::span<const ReplicatedLoad>(loads);
    };
    const int all = costs_.sets().size() - 1;
    LevelSearch nodes(costs_.sets(), level);
    FoundChain chain;
    const bool done = nodes.run(0, supersets_, deadline);
    chain.states = states_ + nodes.states();
    const int used = done ? best_machines(nodes, all, machines_.nodes) : 0;
    if (!done || nodes.seconds(all, used) == kNever) return chain;
    for (const ReplicatedStage& stage : nodes.stages(all, used)) {
      const LevelSearch* row = row_of(stage.inner, stage.replicas, deadline);
      if (row == nullptr) return {{}, chain.states};
      const int machines = best_machines(*row, stage.outer, machines_.per_node);
      for (const ReplicatedStage& each : row->stages(stage.outer, machines)) {
        chain.stages.push_back({each.inner, each.outer, each.replicas * stage.replicas});
      }
    }
    return chain;
  }

 private:
  // What a node finds from a downset on when so many nodes share a micro-batch: it depends on which
  // replicas divide a node's samples. Null: these cannot share it, or the deadline has passed.
  const LevelSearch* row_of(int inner, int replicas, const Deadline& deadline) {
    if (costs_.micro_batch() % replicas != 0) return nullptr;
    if (inner != inner_) rows_.clear();
    inner_ = inner;
    std::vector<int> divisors;
    const int samples = costs_.micro_batch() / replicas;
    for (int d = 1; d <= machines_.per_node; ++d) {
      if (samples % d == 0) divisors.push_back(d);
    }
    for (const auto& row : rows_) {
      if (row->divisors == divisors) return row->is_done ? &row->search : nullptr;
    }
    MachineLevel level = device_level(inside_, machines_.per_node, samples);
    rows_.push_back(std::make_unique<Row>(std::move(divisors), std::move(level), inside_.sets()));
    Row& row = *rows_.back();
    row.is_done = row.search.run(inner, supersets_, deadline);
    states_ += row.search.states();
    return row.is_done ? &row.search : nullptr;
  }

  struct Row {
    Row(std::vector<int> some, MachineLevel of, const Downsets& sets)
        : divisors(std::move(some)), level(std::move(of)), search(sets, level) {}

    std::vector<int> divisors;
    MachineLevel level;
    LevelSearch search;
    bool is_done = false;
  };

  const ChainCosts& costs_;
  ChainCosts inside_;
  Machines machines_;
  const std::vector<std::vector<int>>& supersets_;
  int inner_ = -1;
  std::vector<std::unique_ptr<Row>> rows_;  // of the downset inner_
  std::int64_t states_ = 0;
};

FoundChain search_devices(const ChainCosts& costs, int devices,
                          const std::vector<std::vector<int>>& supersets,
                          const Deadline& deadline) {
  const MachineLevel level = device_level(costs, devices, costs.micro_batch());
  LevelSearch search(costs.sets(), level);
  FoundChain chain;
  const bool done = search.run(0, supersets, deadline);
  chain.states = search.states();
  const int all = costs.sets().size() - 1;
  const int used = done ? best_machines(search, all, devices) : 0;
  if (!done || search.seconds(all, used) == kNever) return chain;
  for (const ReplicatedStage& stage : search.stages(all, used)) {
    chain.stages.push_back({stage.inner, stage.outer, stage.replicas});
  }
  return chain;
}

}  // namespace

// Networks with so many antichains that the original does not end are cut in a linear order; the
// plan says so.
Planned plan_pipedream(const Computation& computation, const Cluster& cluster,
                       const PlanOptions& options) {
  constexpr int kMostDownsets = 40'000;
  constexpr std::int64_t kMostPairs = 200'000'000;
  const Deadline deadline(options.limit_s);
  const auto nodes = static_cast<int>(computation.operators.size());
  const auto edges = pairs_of(computation);
  std::string planner = "pipedream";
  std::optional<Downsets> sets(std::in_place, nodes, edges, kMostDownsets, deadline);
  std::vector<std::vector<int>> supersets;
  const auto list_supersets = [&] {
    if (!sets->complete()) return false;
    supersets = supersets_of(*sets, kMostPairs, deadline);
    return static_cast<int>(supersets.size()) == sets->size();
  };
  if (!list_supersets() && !deadline.passed()) {
    planner += ", linear order";
    sets.emplace(nodes, chain_of(linear_order(nodes, edges)), INT_MAX, deadline);
    list_supersets();
  }
  if (deadline.passed()) {
    return {std::nullopt, fmt::format("stopped after {} s", options.limit_s), 0.0, sets->size()};
  }
  ChainCosts costs(computation, cluster, options, *sets);
  const Machines machines = machines_of(cluster);
  return search_chains({computation, cluster, options, planner}, costs, options, deadline,
                       [&](const ChainCosts& at) {
                         if (machines.nodes == 1) {
                           return search_devices(at, machines.per_node, supersets, deadline);
                         }
                         return NodeLevel(at, cluster, machines, supersets).search(deadline);
                       });
}

}  // namespace lamina::pipeline
