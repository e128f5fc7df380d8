// PipeDream's planner: chains of stages with replication, inside nodes and over them.
#include "pipeline/planners/pipedream.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
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

using Supersets = std::vector<std::vector<int>>;

std::vector<double> borders_of(const ChainCosts& costs) {
  std::vector<double> seconds;
  for (int set = 0; set < costs.sets().size(); ++set) seconds.push_back(costs.border_s(set));
  return seconds;
}

// The devices of a node, or all of them, as machines.
class DeviceLoads {
 public:
  // Replicas must divide `samples`, those that the devices get. `keep`: loads are asked for again
  // and again, and may be remembered.
  DeviceLoads(const ChainCosts& costs, const Supersets& supersets, int machines, int samples,
              bool keep)
      : costs_(costs), supersets_(supersets), machines_(machines), samples_(samples) {
    if (keep) kept_.resize(supersets.size());
  }

  std::span<const ReplicatedLoad> operator()(int inner) {
    std::vector<ReplicatedLoad>& loads =
        kept_.empty() ? last_ : kept_[static_cast<std::size_t>(inner)];
    if (kept_.empty() || loads.empty()) {
      loads.clear();
      for (const int outer : supersets_[static_cast<std::size_t>(inner)]) add(inner, outer, loads);
    }
    return loads;
  }

 private:
  void add(int inner, int outer, std::vector<ReplicatedLoad>& loads) const {
    const StageSums stage = costs_.sums(inner, outer);
    for (int replicas = 1; replicas <= machines_; ++replicas) {
      ReplicatedLoad& load = loads.emplace_back();
      if (samples_ % replicas != 0) continue;
      const int most = costs_.most_stages(stage, replicas);
      if (most == 0) continue;
      load = {costs_.seconds(stage, replicas) + costs_.reduce_s(stage, replicas), most - 1};
    }
  }

  const ChainCosts& costs_;
  const Supersets& supersets_;
  int machines_;
  int samples_;
  std::vector<ReplicatedLoad> last_;
  std::vector<std::vector<ReplicatedLoad>> kept_;  // by inner set
};

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
            const Supersets& supersets)
      : costs_(costs), inside_(costs), machines_(machines), supersets_(supersets) {
    inside_.set_link(cluster.inside);
    constexpr std::size_t kMostKept = 32'000'000;
    std::size_t loads = 0;
    for (const std::vector<int>& outer : supersets) loads += outer.size();
    keep_ = loads * static_cast<std::size_t>(machines.per_node) <= kMostKept;
  }

  FoundChain search(const Deadline& deadline) {
    MachineLevel level{machines_.nodes, {}, borders_of(costs_)};
    std::vector<ReplicatedLoad> loads;
    level.loads = [&](int inner) {
      loads.clear();
      for (const int outer : supersets_[static_cast<std::size_t>(inner)]) {
        const StageSums stage = costs_.sums(inner, outer);
        for (int replicas = 1; replicas <= machines_.nodes; ++replicas) {
          ReplicatedLoad& load = loads.emplace_back();
          const LevelSearch* row = row_of(inner, replicas, deadline);
          if (row == nullptr) continue;
          const int machines = best_machines(*row, outer, machines_.per_node);
          load = {row->seconds(outer, machines) / replicas + costs_.reduce_s(stage, replicas),
                  machines_.nodes};
        }
      }
      return std::span<const ReplicatedLoad>(loads);
    };
    const int all = costs_.sets().size() - 1;
    LevelSearch nodes(costs_.sets(), supersets_, level);
    const bool done = nodes.run(0, deadline);
    const int used = done ? best_machines(nodes, all, machines_.nodes) : 0;
    FoundChain chain{{}, states_ + nodes.states()};
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
  // What a node finds from a downset on, when micro-batches are shared so that these replicas
  // divide its samples.
  struct Row {
    Row(std::vector<int> some, MachineLevel of, const Downsets& sets, const Supersets& supersets)
        : divisors(std::move(some)), level(std::move(of)), search(sets, supersets, level) {}

    std::vector<int> divisors;
    MachineLevel level;
    LevelSearch search;
    int inner = -1;
    bool is_done = false;
  };

  // Null: so many nodes cannot share a micro-batch, or the deadline has passed.
  const LevelSearch* row_of(int inner, int replicas, const Deadline& deadline) {
    if (costs_.micro_batch() % replicas != 0) return nullptr;
    Row& row = row_with(costs_.micro_batch() / replicas);
    if (row.inner != inner) {
      row.inner = inner;
      row.is_done = row.search.run(inner, deadline);
      states_ += row.search.states();
    }
    return row.is_done ? &row.search : nullptr;
  }

  Row& row_with(int samples) {
    std::vector<int> divisors;
    for (int d = 1; d <= machines_.per_node; ++d) {
      if (samples % d == 0) divisors.push_back(d);
    }
    for (const auto& row : rows_) {
      if (row->divisors == divisors) return *row;
    }
    MachineLevel level{machines_.per_node,
                       DeviceLoads(inside_, supersets_, machines_.per_node, samples, keep_),
                       borders_of(inside_)};
    return *rows_.emplace_back(
        std::make_unique<Row>(std::move(divisors), std::move(level), costs_.sets(), supersets_));
  }

  const ChainCosts& costs_;
  ChainCosts inside_;
  Machines machines_;
  const Supersets& supersets_;
  bool keep_ = false;
  std::vector<std::unique_ptr<Row>> rows_;
  std::int64_t states_ = 0;
};

FoundChain search_devices(const ChainCosts& costs, int devices, const Supersets& supersets,
                          const Deadline& deadline) {
  const MachineLevel level{devices,
                           DeviceLoads(costs, supersets, devices, costs.micro_batch(), false),
                           borders_of(costs)};
  LevelSearch search(costs.sets(), supersets, level);
  const bool done = search.run(0, deadline);
  FoundChain chain{{}, search.states()};
  const int all = costs.sets().size() - 1;
  const int used = done ? best_machines(search, all, devices) : 0;
  if (!done || search.seconds(all, used) == kNever) return chain;
  for (const ReplicatedStage& stage : search.stages(all, used)) {
    chain.stages.push_back({stage.inner, stage.outer, stage.replicas});
  }
  return chain;
}

struct ChainPlanner {
  const Computation& computation;
  const Cluster& cluster;
  const PlanOptions& options;
  const char* name;
};
Planned search(const ChainPlanner& planner, const Downsets& sets, const Supersets& supersets,
               const Deadline& deadline) {
  ChainCosts costs(planner.computation, planner.cluster, planner.options, sets);
  const Machines machines = machines_of(planner.cluster);
  return search_chains(
      {planner.computation, planner.cluster, planner.options, planner.name}, costs, planner.options,
      deadline, [&](const ChainCosts& at) {
        if (machines.nodes == 1) {
          return search_devices(at, machines.per_node, supersets, deadline);
        }
        return NodeLevel(at, planner.cluster, machines, supersets).search(deadline);
      });
}

}  // namespace

// As the original, whose program has no limits, to the end of the time or of the memory: lists of
// pairs take up to 0.8 GB.
Planned plan_pipedream(const Computation& computation, const Cluster& cluster,
                       const PlanOptions& options) {
  constexpr int kMostDownsets = 10'000'000;
  constexpr std::int64_t kMostPairs = 200'000'000;
  constexpr auto kElse = "planner pipedream-linear cuts the network in one order";
  const Deadline deadline(options.limit_s);
  const auto nodes = static_cast<int>(computation.operators.size());
  const Downsets sets(nodes, pairs_of(computation), kMostDownsets, deadline);
  if (!sets.complete()) {
    return {std::nullopt, fmt::format("{}; {}", sets.reason(), kElse), 0.0, sets.size()};
  }
  const Supersets supersets = supersets_of(sets, kMostPairs, deadline);
  if (deadline.passed()) {
    return {std::nullopt, fmt::format("stopped after {} s; {}", options.limit_s, kElse), 0.0,
            sets.size()};
  }
  if (static_cast<int>(supersets.size()) < sets.size()) {
    return {
        std::nullopt,
        fmt::format("pairs of the network's {} downsets do not fit the memory: more than {}; {}",
                    sets.size(), kMostPairs, kElse),
        0.0, sets.size()};
  }
  return search({computation, cluster, options, "pipedream"}, sets, supersets, deadline);
}

Planned plan_pipedream_linear(const Computation& computation, const Cluster& cluster,
                              const PlanOptions& options) {
  const Deadline deadline(options.limit_s);
  const auto nodes = static_cast<int>(computation.operators.size());
  const auto order = chain_of(linear_order(nodes, pairs_of(computation)));
  const Downsets sets(nodes, order, nodes + 1, deadline);
  const Supersets supersets =
      supersets_of(sets, std::numeric_limits<std::int64_t>::max(), deadline);
  if (deadline.passed()) {
    return {std::nullopt, fmt::format("stopped after {} s", options.limit_s), 0.0, sets.size()};
  }
  return search({computation, cluster, options, "pipedream-linear"}, sets, supersets, deadline);
}

}  // namespace lamina::pipeline
