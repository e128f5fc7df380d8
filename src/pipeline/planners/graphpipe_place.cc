// Stages in the order of a walk that follows each branch to its end, onto nodes with enough free
// devices, the one with the fewest first.
#include "pipeline/planners/graphpipe_place.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "pipeline/index.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {
namespace {

using Index = std::size_t;

// From the sinks back: a stage, then what comes before it, the edge with the most bytes first.
class Walk {
 public:
  explicit Walk(const StageGraph& graph) : graph_(graph), seen_(graph.out.size(), false) {}

  std::vector<int> run() {
    for (auto s = graph_.order.rbegin(); s != graph_.order.rend(); ++s) visit(*s);
    return std::move(order_);
  }

 private:
  void visit(int first) {
    std::vector<int> open = {first};
    while (!open.empty()) {
      const int stage = open.back();
      open.pop_back();
      if (seen_[at(stage)]) continue;
      seen_[at(stage)] = true;
      order_.push_back(stage);
      std::vector<int> edges = graph_.in[at(stage)];
      std::stable_sort(edges.begin(), edges.end(), [&](int a, int b) {
        return graph_.edges[at(a)].bytes < graph_.edges[at(b)].bytes;
      });
      for (const int e : edges) open.push_back(graph_.edges[at(e)].from);
    }
  }

  const StageGraph& graph_;
  std::vector<bool> seen_;
  std::vector<int> order_;
};

class FreeDevices {
 public:
  FreeDevices(const Cluster& cluster, const std::vector<int>& devices) {
    for (const int device : devices) free_[cluster.devices[at(device)].node].push_back(device);
  }

  // From the node in use if it has enough, else from the fullest that has, else from all.
  std::vector<int> take(int count) {
    std::vector<int> taken;
    const int node = node_for(count);
    if (node >= 0) last_ = node;
    take_from(node >= 0 ? node : last_, count, taken);
    for (auto& [other, devices] : free_) take_from(other, count, taken);
    check(static_cast<int>(taken.size()) == count, "no {} devices are left", count);
    std::sort(taken.begin(), taken.end());
    return taken;
  }

 private:
  int node_for(int count) const {
    const auto has = [&](int node) {
      const auto found = free_.find(node);
      return found != free_.end() && static_cast<int>(found->second.size()) >= count;
    };
    if (has(last_)) return last_;
    int best = -1;
    for (const auto& [node, devices] : free_) {
      if (!has(node)) continue;
      if (best < 0 || devices.size() < free_.at(best).size()) best = node;
    }
    return best;
  }

  void take_from(int node, int count, std::vector<int>& taken) {
    std::vector<int>& devices = free_[node];
    while (static_cast<int>(taken.size()) < count && !devices.empty()) {
      taken.push_back(devices.front());
      devices.erase(devices.begin());
    }
  }

  std::map<int, std::vector<int>> free_;  // by node
  int last_ = -1;
};

}  // namespace

Plan place(const Placing& placing, const std::vector<ChosenStage>& stages, int micro_batch) {
  const PlanOptions& options = placing.options;
  Plan plan{placing.computation.name, "graphpipe", options.batch, options.schedule, {}};
  for (const ChosenStage& chosen : stages) {
    Stage stage;
    stage.operators = chosen.operators;
    stage.micro_batch = micro_batch;
    stage.recompute = chosen.mode.recompute;
    stage.shard_optimizer = chosen.mode.shard_optimizer;
    plan.stages.push_back(std::move(stage));
  }
  FreeDevices free(placing.cluster, placing.devices);
  for (const int s : Walk(stage_graph(placing.computation, plan)).run()) {
    plan.stages[at(s)].devices = free.take(stages[at(s)].mode.devices);
  }
  set_in_flight(placing.computation, plan);
  return plan;
}

}  // namespace lamina::pipeline
