// Runs the stages in time, without messages: at every moment each idle stage starts what is ready,
// backward passes first, then forward passes, then weight gradients. The paper's ScheduleTask is
// greedy in the same way ("backward as early as possible", section 6).
#include "pipeline/pass_order.h"

#include <functional>
#include <optional>
#include <queue>

#include "base/check.h"

namespace lamina::pipeline {
namespace {

using Kind = Action::Kind;

class PassOrder {
 public:
  PassOrder(const Plan& plan, const StageGraph& graph, const std::vector<StageCost>& costs)
      : plan_(plan), graph_(graph), costs_(costs), stages_(plan.stages.size()) {}

  std::vector<std::vector<PassStep>> run() {
    start_all(0.0);
    while (!ends_.empty()) {
      const double now = ends_.top().time_s;
      while (!ends_.empty() && ends_.top().time_s == now) {
        end(ends_.top().stage);
        ends_.pop();
      }
      start_all(now);
    }
    std::vector<std::vector<PassStep>> orders;
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      require(stages_[s].backward == micro_batches(s),
              "stage {} cannot go on with {} micro-batches of {} in flight after {} of {} backward "
              "passes: stages before or after it need more samples at a time",
              s, plan_.stages[s].in_flight, plan_.stages[s].micro_batch, stages_[s].backward,
              micro_batches(s));
      orders.push_back(std::move(stages_[s].order));
    }
    return orders;
  }

 private:
  // Numbers of passes that have ended, and the one that runs.
  struct State {
    int forward = 0;
    int backward = 0;
    int weights = 0;  // only of split backward passes
    std::optional<PassStep> running;
    std::vector<PassStep> order;
  };
  struct End {
    double time_s = 0.0;
    std::size_t stage = 0;
    bool operator>(const End& other) const { return time_s > other.time_s; }
  };

  int micro_batches(std::size_t s) const { return plan_.batch / plan_.stages[s].micro_batch; }
  bool splits() const { return plan_.schedule == ScheduleKind::kSplit; }

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

  void start_all(double now) {
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      if (!stages_[s].running) start(s, now);
    }
  }

  void start(std::size_t s, double now) {
    State& state = stages_[s];
    const StageCost& cost = costs_[s];
    if (backward_is_ready(s)) {
      const double seconds = splits() ? cost.input_gradient_s : cost.backward_s();
      begin(s, {splits() ? Kind::kInputGradient : Kind::kBackward, state.backward}, now + seconds);
    } else if (forward_is_ready(s)) {
      begin(s, {Kind::kForward, state.forward}, now + cost.forward_s);
    } else if (splits() && state.weights < state.backward) {
      begin(s, {Kind::kWeightGradient, state.weights}, now + cost.weight_gradient_s);
    }
  }

  void begin(std::size_t s, const PassStep& step, double end_s) {
    stages_[s].running = step;
    stages_[s].order.push_back(step);
    ends_.push({end_s, s});
  }

  void end(std::size_t s) {
    State& state = stages_[s];
    switch (state.running->kind) {
      case Kind::kForward:
        ++state.forward;
        break;
      case Kind::kWeightGradient:
        ++state.weights;
        break;
      default:
        ++state.backward;
    }
    state.running.reset();
  }

  const Plan& plan_;
  const StageGraph& graph_;
  const std::vector<StageCost>& costs_;
  std::vector<State> stages_;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends_;
};

}  // namespace

std::vector<std::vector<PassStep>> order_passes(const Plan& plan, const StageGraph& graph,
                                                const std::vector<StageCost>& costs) {
  return PassOrder(plan, graph, costs).run();
}

}  // namespace lamina::pipeline
