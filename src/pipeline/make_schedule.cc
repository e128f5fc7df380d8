// Action lists: the passes of each rank in their order, receives in front of the first pass that
// needs what comes, sends behind the pass that made it.
#include <set>
#include <utility>

#include "lamina/schedule.h"
#include "pipeline/pass_order.h"
#include "pipeline/shares.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {
namespace {

using Kind = Action::Kind;

class RankWriter {
 public:
  RankWriter(const Plan& plan, const StageGraph& graph, int stage, int place)
      : plan_(plan), graph_(graph), stage_(stage), place_(place) {}

  std::vector<Action> write(const std::vector<PassStep>& steps) {
    const auto s = static_cast<std::size_t>(stage_);
    for (const PassStep& step : steps) {
      const bool forward = step.kind == Kind::kForward;
      if (step.kind != Kind::kWeightGradient) {
        receive(step.micro_batch, forward, forward ? graph_.in[s] : graph_.out[s]);
      }
      add({step.kind, stage_, step.micro_batch, -1});
      if (step.kind == Kind::kWeightGradient) continue;
      for (const int e : forward ? graph_.out[s] : graph_.in[s]) {
        add({forward ? Kind::kSendForward : Kind::kSendBackward, stage_, step.micro_batch, e});
      }
    }
    if (own().devices.size() > 1) add({Kind::kReduce, stage_, -1, -1});
    add({Kind::kUpdate, stage_, -1, -1});
    return std::move(actions_);
  }

 private:
  const Stage& own() const { return plan_.stages[static_cast<std::size_t>(stage_)]; }

  void add(const Action& action) { actions_.push_back(action); }

  // What this rank's share of the micro-batch needs and does not have yet.
  void receive(int micro_batch, bool forward, const std::vector<int>& edges) {
    for (const int e : edges) {
      const StageEdge& edge = graph_.edges[static_cast<std::size_t>(e)];
      const Stage& sender = plan_.stages[static_cast<std::size_t>(forward ? edge.from : edge.to)];
      const MicroBatches some = micro_batches_with(sender, share(own(), micro_batch, place_));
      for (int m = some.begin; m < some.end; ++m) {
        const Kind kind = forward ? Kind::kReceiveForward : Kind::kReceiveBackward;
        if (received_.insert({{forward, e}, m}).second) add({kind, stage_, m, e});
      }
    }
  }

  const Plan& plan_;
  const StageGraph& graph_;
  int stage_;
  int place_;
  std::vector<Action> actions_;
  std::set<std::pair<std::pair<bool, int>, int>> received_;
};

}  // namespace

Schedule make_schedule(const Computation& computation, const Cluster& cluster, const Plan& plan) {
  validate(computation, cluster, plan);
  const StageGraph graph = stage_graph(computation, plan);
  const auto orders = order_passes(plan, graph, stage_costs(computation, cluster, plan));
  Schedule schedule;
  schedule.ranks.resize(cluster.devices.size());
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const std::vector<int>& devices = plan.stages[s].devices;
    for (std::size_t place = 0; place < devices.size(); ++place) {
      RankWriter writer(plan, graph, static_cast<int>(s), static_cast<int>(place));
      schedule.ranks[static_cast<std::size_t>(devices[place])] = writer.write(orders[s]);
    }
  }
  return schedule;
}

}  // namespace lamina::pipeline
