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
  RankWriter(const Plan& plan, const StageGraph& graph, const Turns& turns, int place)
      : plan_(plan), graph_(graph), turns_(turns), place_(place) {}

  std::vector<Action> write() {
    for (const PassStep& step : turns_.steps) {
      const auto s = static_cast<std::size_t>(step.stage);
      const bool forward = step.kind == Kind::kForward;
      const bool alone = step.kind == Kind::kWeightGradient;
      if (!alone) receive(step, forward ? graph_.in[s] : graph_.out[s]);
      add({step.kind, step.stage, step.micro_batch, -1});
      if (alone) continue;
      for (const int e : forward ? graph_.out[s] : graph_.in[s]) {
        add({forward ? Kind::kSendForward : Kind::kSendBackward, step.stage, step.micro_batch, e});
      }
    }
    for (const int stage : turns_.stages) {
      if (turns_.devices.size() > 1) add({Kind::kReduce, stage, -1, -1});
    }
    for (const int stage : turns_.stages) add({Kind::kUpdate, stage, -1, -1});
    return std::move(actions_);
  }

 private:
  void add(const Action& action) { actions_.push_back(action); }

  // What this rank's share of the micro-batch needs and does not have yet.
  void receive(const PassStep& step, const std::vector<int>& edges) {
    const Stage& own = plan_.stages[static_cast<std::size_t>(step.stage)];
    const bool forward = step.kind == Kind::kForward;
    for (const int e : edges) {
      const StageEdge& edge = graph_.edges[static_cast<std::size_t>(e)];
      const Stage& sender = plan_.stages[static_cast<std::size_t>(forward ? edge.from : edge.to)];
      const MicroBatches some = micro_batches_with(sender, share(own, step.micro_batch, place_));
      for (int m = some.begin; m < some.end; ++m) {
        const Kind kind = forward ? Kind::kReceiveForward : Kind::kReceiveBackward;
        if (received_.insert({{forward, e}, m}).second) add({kind, step.stage, m, e});
      }
    }
  }

  const Plan& plan_;
  const StageGraph& graph_;
  const Turns& turns_;
  int place_;
  std::vector<Action> actions_;
  std::set<std::pair<std::pair<bool, int>, int>> received_;
};

}  // namespace

Schedule make_schedule(const Computation& computation, const Cluster& cluster, const Plan& plan) {
  validate(computation, cluster, plan);
  const StageGraph graph = stage_graph(computation, plan);
  Schedule schedule;
  schedule.ranks.resize(cluster.devices.size());
  for (const Turns& turns : order_passes(plan, graph, stage_costs(computation, cluster, plan))) {
    for (std::size_t place = 0; place < turns.devices.size(); ++place) {
      RankWriter writer(plan, graph, turns, static_cast<int>(place));
      schedule.ranks[static_cast<std::size_t>(turns.devices[place])] = writer.write();
    }
  }
  return schedule;
}

}  // namespace lamina::pipeline
