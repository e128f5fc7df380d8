// Runs the stages in time, without messages: at every moment all idle devices start what is ready,
// backward passes first, then forward passes, then weight gradients; of several stages the one that
// is behind. The paper's ScheduleTask is greedy in the same way ("backward as early as possible",
// section 6). Where passes come in runs, a run that can go on does.
#include "pipeline/pass_order.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <tuple>

#include "base/check.h"
#include "pipeline/interleaved.h"

namespace lamina::pipeline {
namespace {

using Kind = Action::Kind;

class PassOrder {
 public:
  PassOrder(const Plan& plan, const StageGraph& graph, const std::vector<StageCost>& costs)
      : plan_(plan), graph_(graph), costs_(costs), stages_(plan.stages.size()) {
    std::map<int, std::size_t> by_device;  // the first of a stage: others follow
    for (std::size_t s = 0; s < plan.stages.size(); ++s) {
      const std::vector<int>& devices = plan.stages[s].devices;
      const auto [found, first] = by_device.try_emplace(devices.front(), turns_.size());
      if (first) turns_.push_back({devices, {}, {}});
      stages_[s].turns = found->second;
      turns_[found->second].stages.push_back(static_cast<int>(s));
    }
    busy_.assign(turns_.size(), false);
    for (std::size_t i = 0; i < graph.order.size(); ++i) {
      stages_[static_cast<std::size_t>(graph.order[i])].place = static_cast<int>(i);
    }
  }

  std::vector<Turns> run() {
    for (std::size_t t = 0; t < turns_.size(); ++t) start(t, 0.0);
    while (!ends_.empty()) {
      const double now = ends_.top().time_s;
      std::set<std::size_t> touched;  // turns that may go on
      while (!ends_.empty() && ends_.top().time_s == now) {
        end(ends_.top(), touched);
        ends_.pop();
      }
      for (const std::size_t t : touched) {
        if (!busy_[t]) start(t, now);
      }
    }
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      require(stages_[s].backward == micro_batches(s),
              "stage {} cannot go on with {} micro-batches of {} in flight after {} of {} backward "
              "passes: stages before or after it need more samples at a time",
              s, plan_.stages[s].in_flight, plan_.stages[s].micro_batch, stages_[s].backward,
              micro_batches(s));
    }
    return std::move(turns_);
  }

 private:
  // Numbers of passes that have begun and ended.
  struct State {
    int forward = 0;
    int backward = 0;
    int weights = 0;  // only of split backward passes
    int place = 0;    // in topological order
    std::size_t turns = 0;
    Kind last = Kind::kForward;
    int in_row = 0;  // passes of that kind, one after the other
  };
  struct End {
    double time_s = 0.0;
    PassStep step;
    bool operator>(const End& other) const { return time_s > other.time_s; }
  };

  int micro_batches(std::size_t s) const { return plan_.batch / plan_.stages[s].micro_batch; }
  bool splits() const { return splits_backward(plan_); }

  // Samples up to the end of micro-batch `m` of stage `s`.
  int samples(std::size_t s, int m) const { return (m + 1) * plan_.stages[s].micro_batch; }

  bool forward_is_ready(std::size_t s) const {
    const State& state = stages_[s];
    const int released = splits() ? state.weights : state.backward;
    if (state.forward == micro_batches(s)) return false;
    if (state.forward - released >= plan_.stages[s].in_flight) return false;
    for (const int e : graph_.in[s]) {
      const auto from = static_cast<std::size_t>(graph_.edges[static_cast<std::size_t>(e)].from);
      if (samples(from, stages_[from].forward - 1) < samples(s, state.forward)) return false;
    }
    return true;
  }

  bool backward_is_ready(std::size_t s) const {
    const State& state = stages_[s];
    const bool all_first = plan_.schedule == ScheduleKind::kGPipe;
    if (state.backward >= (all_first && state.forward < micro_batches(s) ? 0 : state.forward)) {
      return false;
    }
    for (const int e : graph_.out[s]) {
      const auto to = static_cast<std::size_t>(graph_.edges[static_cast<std::size_t>(e)].to);
      if (samples(to, stages_[to].backward - 1) < samples(s, state.backward)) return false;
    }
    return true;
  }

  // What stage `s` would run now.
  std::optional<PassStep> ready(std::size_t s) const {
    const State& state = stages_[s];
    const auto stage = static_cast<int>(s);
    const bool goes_on = state.in_row % plan_.stages[s].run != 0;
    const bool forward = forward_is_ready(s);
    if (forward && goes_on && state.last == Kind::kForward) {
      return PassStep{Kind::kForward, stage, state.forward};
    }
    if (backward_is_ready(s)) {
      return PassStep{splits() ? Kind::kInputGradient : Kind::kBackward, stage, state.backward};
    }
    if (forward) return PassStep{Kind::kForward, stage, state.forward};
    if (splits() && state.weights < state.backward) {
      return PassStep{Kind::kWeightGradient, stage, state.weights};
    }
    return std::nullopt;
  }

  // Smaller comes first.
  std::tuple<int, int, int> urgency(const PassStep& step) const {
    const int kind = step.kind == Kind::kForward ? 1 : step.kind == Kind::kWeightGradient ? 2 : 0;
    const auto s = static_cast<std::size_t>(step.stage);
    return {kind, samples(s, step.micro_batch), -stages_[s].place};
  }

  void start(std::size_t t, double now) {
    std::optional<PassStep> best;
    for (const int s : turns_[t].stages) {
      const std::optional<PassStep> step = ready(static_cast<std::size_t>(s));
      if (step && (!best || urgency(*step) < urgency(*best))) best = step;
    }
    if (!best) return;
    busy_[t] = true;
    turns_[t].steps.push_back(*best);
    State& state = stages_[static_cast<std::size_t>(best->stage)];
    state.in_row = state.last == best->kind ? state.in_row + 1 : 1;
    state.last = best->kind;
    ends_.push({now + seconds(*best), *best});
  }

  double seconds(const PassStep& step) const {
    const StageCost& cost = costs_[static_cast<std::size_t>(step.stage)];
    switch (step.kind) {
      case Kind::kForward:
        return cost.forward_s;
      case Kind::kInputGradient:
        return cost.input_gradient_s;
      case Kind::kWeightGradient:
        return cost.weight_gradient_s;
      default:
        return cost.backward_s();
    }
  }

  void end(const End& ended, std::set<std::size_t>& touched) {
    const auto s = static_cast<std::size_t>(ended.step.stage);
    State& state = stages_[s];
    busy_[state.turns] = false;
    touched.insert(state.turns);
    for (const int e : graph_.out[s]) touched.insert(turns_of(graph_.edges, e, &StageEdge::to));
    for (const int e : graph_.in[s]) touched.insert(turns_of(graph_.edges, e, &StageEdge::from));
    switch (ended.step.kind) {
      case Kind::kForward:
        ++state.forward;
        break;
      case Kind::kWeightGradient:
        ++state.weights;
        break;
      default:
        ++state.backward;
    }
  }

  std::size_t turns_of(const std::vector<StageEdge>& edges, int edge, int StageEdge::*end) const {
    return stages_[static_cast<std::size_t>(edges[static_cast<std::size_t>(edge)].*end)].turns;
  }

  const Plan& plan_;
  const StageGraph& graph_;
  const std::vector<StageCost>& costs_;
  std::vector<State> stages_;
  std::vector<Turns> turns_;
  std::vector<bool> busy_;  // by turns
  std::priority_queue<End, std::vector<End>, std::greater<>> ends_;
};

}  // namespace

std::vector<Turns> order_passes(const Plan& plan, const StageGraph& graph,
                                const std::vector<StageCost>& costs) {
  if (is_interleaved(plan, graph)) {
    const std::vector<int> wanted = interleaved_in_flight(plan);
    const bool allowed =
        std::equal(wanted.begin(), wanted.end(), plan.stages.begin(),
                   [](int most, const Stage& stage) { return most <= stage.in_flight; });
    if (allowed) return order_interleaved(plan);
  }
  return PassOrder(plan, graph, costs).run();
}

}  // namespace lamina::pipeline
