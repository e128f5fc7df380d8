// The simulator: ranks run their lists, links carry one message at a time each way.
#include <algorithm>
#include <map>
#include <queue>
#include <unordered_map>

#include "base/check.h"
#include "lamina/schedule.h"
#include "pipeline/messages.h"
#include "pipeline/schedule_text.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {
namespace {

using Kind = Action::Kind;

// A way out of, or into, a device or a node: when it is free.
class Links {
 public:
  explicit Links(const Cluster& cluster) : cluster_(cluster) {
    int nodes = 0;
    for (const DeviceSpec& device : cluster.devices) nodes = std::max(nodes, device.node + 1);
    out_.assign(cluster.devices.size(), 0.0);
    in_ = out_;
    node_out_.assign(static_cast<std::size_t>(nodes), 0.0);
    node_in_ = node_out_;
  }

  // When bytes that are sent now arrive.
  double send(int from, int to, double bytes, double now) {
    const auto f = static_cast<std::size_t>(from), t = static_cast<std::size_t>(to);
    const auto from_node = static_cast<std::size_t>(cluster_.devices[f].node);
    const auto to_node = static_cast<std::size_t>(cluster_.devices[t].node);
    if (from == to) return now;  // stages that share a device
    const bool inside = from_node == to_node;
    double& out = inside ? out_[f] : node_out_[from_node];
    double& in = inside ? in_[t] : node_in_[to_node];
    const Link& link = inside ? cluster_.inside : cluster_.between;
    const double end = std::max({now, out, in}) + bytes / link.bytes_per_s;
    out = in = end;
    return end + link.latency_s;
  }

 private:
  const Cluster& cluster_;
  std::vector<double> out_, in_;            // of devices
  std::vector<double> node_out_, node_in_;  // of nodes
};

class Simulation {
 public:
  Simulation(const Computation& computation, const Cluster& cluster, const Plan& plan,
             const Schedule& schedule, const SimulateOptions& options)
      : plan_(plan),
        schedule_(schedule),
        options_(options),
        graph_(stage_graph(computation, plan)),
        costs_(stage_costs(computation, cluster, plan)),
        links_(cluster),
        ranks_(schedule.ranks.size()),
        in_flight_(plan.stages.size()) {
    result_.ranks.resize(ranks_.size());
    result_.peak_in_flight.assign(plan.stages.size(), 0);
    for (std::size_t s = 0; s < plan.stages.size(); ++s) {
      for (const int device : plan.stages[s].devices) {
        change(device, 0.0, costs_[s].parameter_bytes);
      }
    }
  }

  Simulated run() {
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      if (!schedule_.ranks[r].empty()) turns_.push({0.0, static_cast<int>(r)});
    }
    while (!turns_.empty()) {
      const Turn turn = turns_.top();
      turns_.pop();
      ranks_[static_cast<std::size_t>(turn.rank)].clock = turn.time_s;
      step(turn.rank);
    }
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      check(ranks_[r].next == schedule_.ranks[r].size(), "rank {} did not come to its end", r);
      result_.iteration_s = std::max(result_.iteration_s, ranks_[r].clock);
    }
    finish();
    return std::move(result_);
  }

 private:
  struct Turn {
    double time_s = 0.0;
    int rank = 0;
    bool operator<(const Turn& other) const {  // the earliest is on top
      return std::pair(time_s, rank) > std::pair(other.time_s, other.rank);
    }
  };
  struct Rank {
    double clock = 0.0;
    std::size_t next = 0;  // of its actions
    bool waits = false;    // for pieces that are not yet sent
    double busy = 0.0;
    std::vector<MemoryPoint> changes;
  };
  // What has come of a message for one rank.
  struct Arrivals {
    int missing = -1;  // pieces; -1: not known yet
    double time_s = 0.0;
  };

  void change(int rank, double time_s, double bytes) {
    if (bytes != 0.0) ranks_[static_cast<std::size_t>(rank)].changes.push_back({time_s, bytes});
  }

  static std::uint64_t key(const Message& message, int rank) {
    return ((static_cast<std::uint64_t>(message.edge) * 2 + (message.forward ? 1 : 0)) << 42) ^
           (static_cast<std::uint64_t>(message.micro_batch) << 21) ^
           static_cast<std::uint64_t>(rank);
  }

  Arrivals& arrivals(const Message& message, int rank) {
    Arrivals& found = arrivals_[key(message, rank)];
    if (found.missing < 0) {
      found.missing = 0;
      for (const Piece& piece : pieces(ends(plan_, graph_, message), message.micro_batch)) {
        found.missing += piece.to_rank == rank ? 1 : 0;
      }
    }
    return found;
  }

  void step(int rank) {
    Rank& own = ranks_[static_cast<std::size_t>(rank)];
    const std::vector<Action>& actions = schedule_.ranks[static_cast<std::size_t>(rank)];
    if (own.next == actions.size()) return;
    const Action& action = actions[own.next];
    if (is_pass(action.kind)) {
      pass(rank, action);
    } else if (is_send(action.kind)) {
      send(rank, action);
    } else if (is_receive(action.kind)) {
      receive(rank, action);
    } else if (action.kind == Kind::kReduce) {
      reduce(rank, action);
    } else {
      update(rank, action);
    }
  }

  void update(int rank, const Action& action) {
    Rank& own = ranks_[static_cast<std::size_t>(rank)];
    const double end = own.clock + costs_[static_cast<std::size_t>(action.stage)].update_s;
    if (end > own.clock) record(rank, {action, own.clock, end});
    own.busy += end - own.clock;
    go_on(rank, end);
  }

  void go_on(int rank, double time_s) {
    ++ranks_[static_cast<std::size_t>(rank)].next;
    turns_.push({time_s, rank});
  }

  double seconds(const Action& action) const {
    const StageCost& cost = costs_[static_cast<std::size_t>(action.stage)];
    switch (action.kind) {
      case Kind::kForward:
        return cost.forward_s;
      case Kind::kBackward:
        return cost.backward_s();
      case Kind::kInputGradient:
        return cost.input_gradient_s;
      default:
        return cost.weight_gradient_s;
    }
  }

  void pass(int rank, const Action& action) {
    Rank& own = ranks_[static_cast<std::size_t>(rank)];
    const auto s = static_cast<std::size_t>(action.stage);
    const StageCost& cost = costs_[s];
    const double end = own.clock + seconds(action);
    const bool forward = action.kind == Kind::kForward;
    change(rank, own.clock, cost.workspace_bytes);
    change(rank, end, -cost.workspace_bytes);
    if (forward) {
      // What came in is counted by what is saved, from here on.
      change(rank, own.clock, cost.saved_bytes - share_bytes(s, graph_.in[s]));
    }
    const bool releases = action.kind == Kind::kBackward || action.kind == Kind::kWeightGradient;
    if (releases) change(rank, end, -cost.saved_bytes - share_bytes(s, graph_.out[s]));
    if (rank == plan_.stages[s].devices.front() && (forward || releases)) {
      in_flight_[s] += forward ? 1 : -1;
      result_.peak_in_flight[s] = std::max(result_.peak_in_flight[s], in_flight_[s]);
    }
    record(rank, {action, own.clock, end});
    own.busy += end - own.clock;
    go_on(rank, end);
  }

  void record(int rank, const TimedAction& timed) {
    result_.ranks[static_cast<std::size_t>(rank)].push_back(timed);
  }

  // Of a device's share of a micro-batch, over all these edges.
  double share_bytes(std::size_t stage, const std::vector<int>& edges) const {
    const Stage& own = plan_.stages[stage];
    double bytes = 0.0;
    for (const int e : edges) bytes += graph_.edges[static_cast<std::size_t>(e)].bytes;
    return bytes * own.micro_batch / static_cast<double>(own.devices.size());
  }

  void send(int rank, const Action& action) {
    const double now = ranks_[static_cast<std::size_t>(rank)].clock;
    const Message message = message_of(action);
    const double a_sample = graph_.edges[static_cast<std::size_t>(message.edge)].bytes;
    for (const Piece& piece : pieces(ends(plan_, graph_, message), message.micro_batch)) {
      if (piece.from_rank != rank) continue;
      const double bytes = a_sample * piece.samples;
      const double time_s = options_.links ? links_.send(rank, piece.to_rank, bytes, now) : now;
      Arrivals& come = arrivals(message, piece.to_rank);
      --come.missing;
      come.time_s = std::max(come.time_s, time_s);
      change(piece.to_rank, time_s, bytes);
      wake(piece.to_rank, message, come);
    }
    go_on(rank, now);
  }

  // A rank that waits for this message goes on when all of it is there.
  void wake(int rank, const Message& message, const Arrivals& come) {
    Rank& other = ranks_[static_cast<std::size_t>(rank)];
    if (!other.waits || come.missing > 0) return;
    const Action& action = schedule_.ranks[static_cast<std::size_t>(rank)][other.next];
    if (!is_receive(action.kind) || !(message_of(action) == message)) return;
    other.waits = false;
    arrive(rank, action, come.time_s);
  }

  void receive(int rank, const Action& action) {
    const Arrivals& come = arrivals(message_of(action), rank);
    if (come.missing > 0) {
      ranks_[static_cast<std::size_t>(rank)].waits = true;
    } else {
      arrive(rank, action, come.time_s);
    }
  }

  void arrive(int rank, const Action& action, double time_s) {
    const double clock = ranks_[static_cast<std::size_t>(rank)].clock;
    const double end = std::max(clock, time_s);
    if (end > clock) record(rank, {action, clock, end});
    go_on(rank, end);
  }

  // All devices of the stage begin when the last one has come.
  void reduce(int rank, const Action& action) {
    const std::vector<int>& devices = plan_.stages[static_cast<std::size_t>(action.stage)].devices;
    std::vector<int>& here = reducing_[action.stage];
    here.push_back(rank);
    if (here.size() < devices.size()) return;
    const double begin = ranks_[static_cast<std::size_t>(rank)].clock;
    const double end = begin + costs_[static_cast<std::size_t>(action.stage)].reduce_s;
    for (const int each : here) {
      record(each, {action, ranks_[static_cast<std::size_t>(each)].clock, end});
      go_on(each, end);
    }
  }

  void finish() {
    double busy = 0.0;
    int working = 0;
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      busy += ranks_[r].busy;
      working += schedule_.ranks[r].empty() ? 0 : 1;
      std::vector<MemoryPoint>& changes = ranks_[r].changes;
      // What ends at a moment makes room for what begins then.
      std::stable_sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) {
        return std::pair(a.time_s, a.bytes) < std::pair(b.time_s, b.bytes);
      });
      std::vector<MemoryPoint> held;
      double bytes = 0.0, peak = 0.0;
      for (std::size_t i = 0; i < changes.size(); ++i) {
        bytes += changes[i].bytes;
        if (i + 1 < changes.size() && changes[i + 1].time_s == changes[i].time_s) continue;
        held.push_back({changes[i].time_s, bytes});
        peak = std::max(peak, bytes);
      }
      result_.memory.push_back(std::move(held));
      result_.peak_bytes.push_back(peak);
    }
    const double all = result_.iteration_s * working;
    result_.bubble = all > 0.0 ? 1.0 - busy / all : 0.0;
  }

  const Plan& plan_;
  const Schedule& schedule_;
  const SimulateOptions& options_;
  const StageGraph graph_;
  const std::vector<StageCost> costs_;
  Links links_;
  std::vector<Rank> ranks_;
  std::vector<int> in_flight_;  // by stage, on its first device
  std::priority_queue<Turn> turns_;
  std::unordered_map<std::uint64_t, Arrivals> arrivals_;
  std::map<int, std::vector<int>> reducing_;
  Simulated result_;
};

}  // namespace

Simulated simulate(const Computation& computation, const Cluster& cluster, const Plan& plan,
                   const Schedule& schedule, const SimulateOptions& options) {
  validate(computation, cluster, plan);
  check_schedule(computation, plan, schedule);
  return Simulation(computation, cluster, plan, schedule, options).run();
}

}  // namespace lamina::pipeline
