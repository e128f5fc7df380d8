// Moves, splits and slack of one plan.
#include "pipeline/planners/graphpipe_refine.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "pipeline/index.h"
#include "pipeline/planners.h"
#include "pipeline/planners/graphpipe_price.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {
namespace {

using Index = std::size_t;
constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr int kMostSlack = 8;
constexpr double kManyPasses = 5e4;  // so that each simulation takes long

bool one_node(const Cluster& cluster, const Stage& a, const Stage& b) {
  const int node = cluster.devices[at(a.devices.front())].node;
  const auto same = [&](int device) { return cluster.devices[at(device)].node == node; };
  return std::all_of(a.devices.begin(), a.devices.end(), same) &&
         std::all_of(b.devices.begin(), b.devices.end(), same);
}

const Link& link_of(const Cluster& cluster, const Plan& plan, const StageEdge& edge) {
  const bool inside = one_node(cluster, plan.stages[at(edge.from)], plan.stages[at(edge.to)]);
  return inside ? cluster.inside : cluster.between;
}

double edge_latency(const Cluster& cluster, const Plan& plan, const StageEdge& edge) {
  const bool same = plan.stages[at(edge.from)].devices == plan.stages[at(edge.to)].devices;
  return same ? 0.0 : link_of(cluster, plan, edge).latency_s;
}

// Seconds of a micro-batch of the sender: of the share of the stage with fewer devices, or where it
// goes to another node of all.
double edge_seconds(const Cluster& cluster, const Plan& plan, const StageEdge& edge) {
  const Stage& from = plan.stages[at(edge.from)];
  const Stage& to = plan.stages[at(edge.to)];
  if (from.devices == to.devices) return 0.0;
  const Link& link = link_of(cluster, plan, edge);
  const Index shares =
      &link == &cluster.inside ? std::min(from.devices.size(), to.devices.size()) : 1;
  return edge.bytes * from.micro_batch / static_cast<double>(shares) / link.bytes_per_s;
}

}  // namespace

double estimated_seconds(const Computation& computation, const Cluster& cluster, const Plan& plan) {
  const StageGraph graph = stage_graph(computation, plan);
  if (graph.order.size() < plan.stages.size()) return kNever;
  const std::vector<StageCost> costs = stage_costs(computation, cluster, plan);
  std::vector<Paths> paths(plan.stages.size());
  std::vector<double> messages(plan.stages.size(), 0.0);  // of an iteration
  std::map<int, double> passes;                           // of an iteration, by first device
  Paths longest;
  int most = 1;
  for (auto s = graph.order.rbegin(); s != graph.order.rend(); ++s) {
    const Index own = at(*s);
    const Stage& stage = plan.stages[own];
    const StageCost& cost = costs[own];
    const int micro_batches = plan.batch / stage.micro_batch;
    for (const int e : graph.out[own]) {
      const StageEdge& edge = graph.edges[at(e)];
      const double seconds = edge_seconds(cluster, plan, edge);
      messages[own] += seconds * micro_batches;
      messages[at(edge.to)] += seconds * micro_batches;
      const double message = seconds + edge_latency(cluster, plan, edge);
      paths[own] = paths[own].beside(
          paths[at(edge.to)].behind(Paths{message, 2.0 * message, 2.0 * message}));
    }
    const bool waits = !splits_backward(plan) || graph.in[own].empty();
    const double all = cost.forward_s + cost.backward_s();
    const double back = waits ? all : all - cost.weight_gradient_s;
    paths[own] = paths[own].behind(Paths{cost.forward_s, back, all + cost.reduce_s});
    longest = longest.beside(paths[own]);
    passes[stage.devices.front()] += (cost.forward_s + cost.backward_s()) * micro_batches;
    most = std::max(most, micro_batches);
  }
  double bottleneck = *std::max_element(messages.begin(), messages.end());
  for (const auto& [device, seconds] : passes) bottleneck = std::max(bottleneck, seconds);
  return longest.all_s + (most - 1.0) / most * bottleneck;
}

namespace {

// One operator to another stage.
struct Move {
  int op = 0;
  int from = 0;
  int to = 0;
};

// Operators at the border of their stage, towards the stages that they could go to.
std::vector<Move> border_moves(const Computation& computation, const Plan& plan) {
  const std::vector<int> stages = stage_of_operators(computation, plan);
  const Index count = computation.operators.size();
  std::vector<bool> has_before(count, false), has_after(count, false);  // in its stage
  for (const Edge& edge : computation.edges) {
    if (stages[at(edge.from)] != stages[at(edge.to)]) continue;
    has_after[at(edge.from)] = has_before[at(edge.to)] = true;
  }
  std::set<std::pair<int, int>> moves;
  for (const Edge& edge : computation.edges) {
    if (stages[at(edge.from)] == stages[at(edge.to)]) continue;
    if (!has_after[at(edge.from)]) moves.emplace(edge.from, stages[at(edge.to)]);
    if (!has_before[at(edge.to)]) moves.emplace(edge.to, stages[at(edge.from)]);
  }
  std::vector<Move> result;
  for (const auto& [op, to] : moves) {
    if (plan.stages[at(stages[at(op)])].operators.size() == 1) continue;
    result.push_back({op, stages[at(op)], to});
  }
  return result;
}

Plan moved(const Computation& computation, const Plan& plan, const Move& move) {
  Plan result = plan;
  std::erase(result.stages[at(move.from)].operators, move.op);
  std::vector<int>& operators = result.stages[at(move.to)].operators;
  operators.insert(std::lower_bound(operators.begin(), operators.end(), move.op), move.op);
  if (stage_graph(computation, result).order.size() == result.stages.size()) {
    set_in_flight(computation, result);
  }
  return result;
}

}  // namespace

Plan move_operators(const Computation& computation, const Cluster& cluster, Plan plan, int moves) {
  double best_s = estimated_seconds(computation, cluster, plan);
  for (int m = 0; m < moves; ++m) {
    std::optional<Plan> best;
    for (const Move& move : border_moves(computation, plan)) {
      Plan next = moved(computation, plan, move);
      const double seconds = estimated_seconds(computation, cluster, next);
      constexpr double kWorthwhile = 1.0 - 1e-6;
      if (seconds >= best_s * kWorthwhile || !fits(computation, cluster, next)) continue;
      best = std::move(next);
      best_s = seconds;
    }
    if (!best) break;
    plan = std::move(*best);
  }
  return plan;
}

namespace {

// Operators of one stage in sets: those of a set need the same other stages, and are connected.
std::vector<std::vector<int>> independent_parts(const Computation& computation,
                                                const std::vector<int>& stages,
                                                const std::vector<int>& operators) {
  std::map<int, std::set<int>> needs;  // stages that an operator waits for, by way of its own stage
  std::map<int, int> part;
  const auto inside = [&](int op) { return part.contains(op); };
  for (const int op : operators) part.emplace(op, op);
  for (const Edge& edge : computation.edges) {
    if (!inside(edge.to)) continue;
    if (inside(edge.from)) {
      needs[edge.to].insert(needs[edge.from].begin(), needs[edge.from].end());
    } else {
      needs[edge.to].insert(stages[at(edge.from)]);
    }
  }
  const auto root = [&](int op) {
    while (part[op] != op) op = part[op];
    return op;
  };
  for (const Edge& edge : computation.edges) {
    if (!inside(edge.from) || !inside(edge.to)) continue;
    if (needs[edge.from] == needs[edge.to]) part[root(edge.to)] = root(edge.from);
  }
  std::map<int, std::vector<int>> sets;
  for (const int op : operators) sets[root(op)].push_back(op);
  std::vector<std::vector<int>> result;
  for (auto& [first, set] : sets) result.push_back(std::move(set));
  return result;
}

}  // namespace

Plan split_stages(const Computation& computation, const Cluster& cluster, const Plan& plan) {
  Plan best = plan;
  double best_s = estimated_seconds(computation, cluster, plan);
  for (Index s = 0; s < plan.stages.size(); ++s) {
    const std::vector<int> stages = stage_of_operators(computation, best);
    auto parts = independent_parts(computation, stages, best.stages[s].operators);
    if (parts.size() < 2) continue;
    Plan next = best;
    next.stages[s].operators = std::move(parts.front());
    for (Index p = 1; p < parts.size(); ++p) {
      next.stages.push_back(next.stages[s]);
      next.stages.back().operators = std::move(parts[p]);
    }
    const double seconds = estimated_seconds(computation, cluster, next);
    if (seconds >= best_s) continue;
    set_in_flight(computation, next);
    if (!fits(computation, cluster, next)) continue;
    best = std::move(next);
    best_s = seconds;
  }
  return best;
}

Plan with_slack(const Computation& computation, const Cluster& cluster, Plan plan, int slack) {
  set_in_flight(computation, plan);
  for (; slack > 0; --slack) {
    Plan roomy = plan;
    for (Stage& stage : roomy.stages) {
      stage.in_flight = std::min(stage.in_flight + slack, plan.batch / stage.micro_batch);
    }
    if (fits(computation, cluster, roomy)) return roomy;
  }
  return plan;
}

double passes(const Plan& plan) {
  double count = 0.0;
  for (const Stage& stage : plan.stages) {
    count += static_cast<double>(stage.devices.size()) * plan.batch / stage.micro_batch;
  }
  return count;
}

JudgedPlan best_slack(const Computation& computation, const Cluster& cluster, const Plan& plan) {
  const auto judge = [&](int slack) {
    Plan next = with_slack(computation, cluster, plan, slack);
    const double seconds = iteration_seconds(computation, cluster, next);
    return JudgedPlan{std::move(next), seconds};
  };
  constexpr double kNear = 1.002;
  const JudgedPlan none = judge(0);
  if (none.iteration_s <= kNear * estimated_seconds(computation, cluster, plan)) return none;
  JudgedPlan most = judge(kMostSlack);
  if (none.iteration_s <= kNear * most.iteration_s) return none;
  if (passes(plan) > kManyPasses) return most;
  for (int slack = 1; slack < kMostSlack; slack *= 2) {
    JudgedPlan some = judge(slack);
    if (some.iteration_s <= kNear * most.iteration_s) return some;
  }
  return most;
}

}  // namespace lamina::pipeline
