// Whether a schedule does all that an iteration needs, and can be run to its end.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <type_traits>

#include "base/check.h"
#include "lamina/schedule.h"
#include "pipeline/messages.h"
#include "pipeline/schedule_text.h"
#include "pipeline/shares.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {
namespace {

using Kind = Action::Kind;

// What a message shows for a value: of an action its text, which is made only where it is needed.
template <class T>
using Shown = std::conditional_t<std::is_same_v<T, Action>, std::string, std::decay_t<const T>>;
template <class T>
Shown<T> shown(const T& value) {
  if constexpr (std::is_same_v<T, Action>) {
    return to_string(value);
  } else {
    return value;
  }
}

template <class... Args>
void demand(bool ok, int rank, std::type_identity_t<fmt::format_string<Shown<Args>...>> format,
            const Args&... args) {
  if (ok) return;
  fail(ErrorCode::kInvalidArgument, "rank {}: {}", rank, fmt::format(format, shown(args)...));
}

// Of one stage on one rank: its passes, and messages around them.
class StageCheck {
 public:
  StageCheck(const Plan& plan, const StageGraph& graph, int rank, int stage)
      : plan_(plan), graph_(graph), rank_(rank), stage_(stage) {
    const std::vector<int>& devices = own().devices;
    place_ = static_cast<int>(std::find(devices.begin(), devices.end(), rank) - devices.begin());
  }

  void take(const Action& action) {
    demand(!updated_, rank_, "{} comes after the update", action);
    if (is_pass(action.kind)) {
      pass(action);
    } else if (is_message(action.kind)) {
      message(action);
    } else {
      last(action);
    }
  }

  void end() const { demand(updated_, rank_, "there is no update of stage {}", stage_); }

 private:
  const Stage& own() const { return plan_.stages[static_cast<std::size_t>(stage_)]; }
  int micro_batches() const { return plan_.batch / own().micro_batch; }

  void pass(const Action& action) {
    int& done = action.kind == Kind::kForward          ? forward_
                : action.kind == Kind::kWeightGradient ? weights_
                                                       : backward_;
    demand(action.micro_batch == done && done < micro_batches(), rank_,
           "{} where micro-batch {} of {} is next", action, done, micro_batches());
    if (action.kind == Kind::kBackward || action.kind == Kind::kInputGradient) {
      const bool split = action.kind == Kind::kInputGradient;
      demand(backward_ == 0 || split == split_, rank_,
             "{}: some backward passes are split, not all", action);
      split_ = split;
      demand(backward_ < forward_, rank_, "{} comes before its forward pass", action);
      needs(action, graph_.out, false);
    } else if (action.kind == Kind::kForward) {
      needs(action, graph_.in, true);
    } else {
      demand(split_ && weights_ < backward_, rank_, "{} comes before its input gradient", action);
    }
    ++done;
    const int in_flight = forward_ - (split_ ? weights_ : backward_);
    demand(in_flight <= own().in_flight, rank_, "{} is micro-batch {} in flight, of {} allowed",
           action, in_flight, own().in_flight);
  }

  // What the rank's share of the micro-batch needs must have been received.
  void needs(const Action& action, const std::vector<std::vector<int>>& edges, bool forward) {
    for (const int e : edges[static_cast<std::size_t>(stage_)]) {
      const Stage& sender = ends(plan_, graph_, {forward, e, 0}).sender;
      const MicroBatches some =
          micro_batches_with(sender, share(own(), action.micro_batch, place_));
      for (int m = some.begin; m < some.end; ++m) {
        demand(received_.contains({forward, e, m}), rank_,
               "{} comes before micro-batch {} over edge {} is received", action, m, e);
      }
    }
  }

  void message(const Action& action) {
    const auto edges = static_cast<int>(graph_.edges.size());
    demand(action.edge < edges, rank_, "{}: there are {} edges", action, edges);
    const Message sent = message_of(action);
    const Ends both = ends(plan_, graph_, sent);
    const Stage& end = is_send(action.kind) ? both.sender : both.receiver;
    demand(&end == &own(), rank_, "{}: that edge does not {} stage {} this way", action,
           is_send(action.kind) ? "leave" : "reach", stage_);
    demand(action.micro_batch < plan_.batch / both.sender.micro_batch, rank_,
           "{}: the sender has {} micro-batches", action, plan_.batch / both.sender.micro_batch);
    if (is_send(action.kind)) {
      demand(action.micro_batch < (sent.forward ? forward_ : backward_), rank_,
             "{} comes before the pass that computes it", action);
      return;
    }
    received_.emplace(sent.forward, action.edge, action.micro_batch);
  }

  void last(const Action& action) {
    const bool done = forward_ == micro_batches() && backward_ == micro_batches() &&
                      (!split_ || weights_ == micro_batches());
    demand(done, rank_, "{} comes after {} forward and {} backward passes of {}", action, forward_,
           split_ ? weights_ : backward_, micro_batches());
    const bool reduces = own().devices.size() > 1;
    if (action.kind == Kind::kReduce) {
      demand(reduces && !reduced_, rank_,
             "{}: one sum is needed where a stage has devices to share", action);
      reduced_ = true;
    } else {
      demand(reduced_ || !reduces, rank_, "{} comes before the sum of the gradients", action);
      updated_ = true;
    }
  }

  const Plan& plan_;
  const StageGraph& graph_;
  int rank_;
  int stage_;
  int place_ = 0;
  int forward_ = 0;
  int backward_ = 0;
  int weights_ = 0;
  bool split_ = false;
  bool reduced_ = false;
  bool updated_ = false;
  std::set<std::tuple<bool, int, int>> received_;
};

// The list of one rank by itself.
void check_rank(const Plan& plan, const StageGraph& graph, int rank,
                const std::vector<Action>& actions) {
  std::map<int, StageCheck> stages;
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const std::vector<int>& devices = plan.stages[s].devices;
    if (std::find(devices.begin(), devices.end(), rank) == devices.end()) continue;
    const auto stage = static_cast<int>(s);
    stages.emplace(stage, StageCheck(plan, graph, rank, stage));
  }
  for (const Action& action : actions) {
    const auto found = stages.find(action.stage);
    demand(found != stages.end(), rank, "{} is not of a stage of this rank", action);
    found->second.take(action);
  }
  for (const auto& [stage, check] : stages) check.end();
}

// Actions of all ranks, numbered one rank after the other, and who waits for whom.
class WaitGraph {
 public:
  WaitGraph(const Plan& plan, const StageGraph& graph, const Schedule& schedule)
      : plan_(plan), graph_(graph), schedule_(schedule) {
    for (std::size_t r = 0; r < schedule.ranks.size(); ++r) {
      first_.push_back(static_cast<int>(actions_.size()));
      for (const Action& action : schedule.ranks[r]) {
        if (is_message(action.kind)) note(action, static_cast<int>(r));
        actions_.push_back({action, static_cast<int>(r)});
      }
    }
    after_.resize(actions_.size());
    waiting_.assign(actions_.size(), 0);
  }

  void check() {
    for (std::size_t i = 1; i < actions_.size(); ++i) {
      if (actions_[i].rank == actions_[i - 1].rank)
        add(static_cast<int>(i) - 1, static_cast<int>(i));
    }
    add_messages();
    add_sums();
    sort();
  }

 private:
  struct Placed {
    Action action;
    int rank = 0;
  };
  struct Key {
    bool send = false;
    bool forward = false;
    int edge = 0;
    int micro_batch = 0;
    int rank = 0;
    auto operator<=>(const Key&) const = default;
  };

  void note(const Action& action, int rank) {
    const Key key{is_send(action.kind), goes_forward(action.kind), action.edge, action.micro_batch,
                  rank};
    demand(messages_.emplace(key, static_cast<int>(actions_.size())).second, rank,
           "{} is there twice", action);
  }

  void add(int before, int behind) {
    after_[static_cast<std::size_t>(before)].push_back(behind);
    ++waiting_[static_cast<std::size_t>(behind)];
  }

  int find(const Key& key) const {
    const auto known = messages_.find(key);
    demand(known != messages_.end(), key.rank, "micro-batch {} over edge {} is never {}, {}",
           key.micro_batch, key.edge, key.send ? "sent" : "received",
           key.forward ? "forward" : "backward");
    return known->second;
  }

  // Every piece has two sides, and there are no sides without a piece.
  void add_messages() {
    std::size_t used = 0;
    for (std::size_t e = 0; e < graph_.edges.size(); ++e) {
      for (const bool forward : {true, false}) {
        const Ends both = ends(plan_, graph_, {forward, static_cast<int>(e), 0});
        for (int m = 0; m < plan_.batch / both.sender.micro_batch; ++m) {
          std::set<int> sides;
          for (const Piece& piece : pieces(both, m)) {
            const int sent = find({true, forward, static_cast<int>(e), m, piece.from_rank});
            const int got = find({false, forward, static_cast<int>(e), m, piece.to_rank});
            add(sent, got);
            sides.insert({sent, got});
          }
          used += sides.size();
        }
      }
    }
    require(used == messages_.size(), "the schedule has {} sides of messages, {} belong to one",
            messages_.size(), used);
  }

  // The devices of a stage wait for each other at the sum: what follows on one comes after the sum,
  // and what leads to it, on all.
  void add_sums() {
    std::map<int, std::vector<int>> sums;
    for (std::size_t i = 0; i < actions_.size(); ++i) {
      if (actions_[i].action.kind == Kind::kReduce) {
        sums[actions_[i].action.stage].push_back(static_cast<int>(i));
      }
    }
    for (const auto& [stage, members] : sums) {
      for (const int a : members) {
        for (const int b : members) {
          if (a != b) add(a, b + 1);
        }
      }
    }
  }

  void sort() {
    std::vector<int> ready;
    for (std::size_t i = 0; i < actions_.size(); ++i) {
      if (waiting_[i] == 0) ready.push_back(static_cast<int>(i));
    }
    std::size_t sorted = 0;
    while (!ready.empty()) {
      const int next = ready.back();
      ready.pop_back();
      ++sorted;
      for (const int behind : after_[static_cast<std::size_t>(next)]) {
        if (--waiting_[static_cast<std::size_t>(behind)] == 0) ready.push_back(behind);
      }
    }
    if (sorted == actions_.size()) return;
    // Of each rank the first action that never comes.
    std::string stuck;
    for (std::size_t r = 0; r < first_.size(); ++r) {
      const std::size_t end =
          r + 1 < first_.size() ? static_cast<std::size_t>(first_[r + 1]) : actions_.size();
      for (auto i = static_cast<std::size_t>(first_[r]); i < end; ++i) {
        if (waiting_[i] == 0) continue;
        stuck += fmt::format("{}rank {} at {}", stuck.empty() ? "" : ", ", r,
                             to_string(actions_[i].action));
        break;
      }
    }
    fail(ErrorCode::kInvalidArgument, "deadlock: these wait for each other: {}", stuck);
  }

  const Plan& plan_;
  const StageGraph& graph_;
  const Schedule& schedule_;
  std::vector<Placed> actions_;
  std::vector<int> first_;  // by rank
  std::map<Key, int> messages_;
  std::vector<std::vector<int>> after_;
  std::vector<int> waiting_;
};

}  // namespace

void check_schedule(const Computation& computation, const Plan& plan, const Schedule& schedule) {
  const StageGraph graph = stage_graph(computation, plan);
  std::vector<bool> used(schedule.ranks.size(), false);
  for (const Stage& stage : plan.stages) {
    for (const int device : stage.devices) {
      require(device < static_cast<int>(used.size()),
              "the schedule has {} ranks, and none for device {}", used.size(), device);
      used[static_cast<std::size_t>(device)] = true;
    }
  }
  for (std::size_t r = 0; r < used.size(); ++r) {
    const auto rank = static_cast<int>(r);
    if (used[r]) {
      check_rank(plan, graph, rank, schedule.ranks[r]);
    } else {
      demand(schedule.ranks[r].empty(), rank, "no stage uses it, and it has actions");
    }
  }
  WaitGraph(plan, graph, schedule).check();
}

}  // namespace lamina::pipeline
