// For tests: small random networks with a loss, and random plans for them. Every node is an
// operator of its own.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "lamina/pipeline.h"
#include "lamina/train.h"

namespace lamina::pipeline::test {

// Forks, joins and skip edges over values [N, width]; lookups in a table by ids (also of ids that
// the network computes), a transposed value, and weights that several nodes read.
class RandomNetwork {
 public:
  explicit RandomNetwork(Rng& rng, bool bf16 = false) : rng_(rng), bf16_(bf16) {
    network_.name = "random";
    graph_.name = "random";
    graph_.sizes = {{std::string(train::kSamples), 1, 4096}};
  }

  train::Network make(int nodes) {
    const Value x = graph_.add_input("x", f32({n_, kWidth}));
    const Value ids = graph_.add_input("ids", {DType::kI64, {n_}, {}});
    const Value target = graph_.add_input("target", f32({n_, kWidth}));
    for (int w = 0; w < 3; ++w) {
      squares_.push_back(
          graph_.add_input("w" + std::to_string(w), weight({kWidth, kWidth}), Role::kWeight));
    }
    table_ = graph_.add_input("table", weight({kRows, kWidth}), Role::kWeight);
    values_ = {x, graph_.add("gather", {read(table_), ids}, {{"axis", std::int64_t{0}}})};
    for (int i = 0; i < nodes; ++i) values_.push_back(next());
    // All ends are joined, so that nothing is dead.
    Value all = values_[0];
    for (std::size_t i = 1; i < values_.size(); ++i) {
      if (!is_read(values_[i])) all = graph_.add("add", {all, values_[i]});
    }
    const Value error = graph_.add("sub", {graph_.add("tanh", {all}), target});
    graph_.add_output("loss", graph_.add("mean", {graph_.add("mul", {error, error})}));
    network_.graph = graph_;
    if (rng_.chance(0.3)) network_.frozen = {rng_.chance(0.5) ? "table" : "w0"};
    return network_;
  }

  static constexpr std::int64_t kWidth = 4, kRows = 6;

 private:
  static Type f32(Dims shape) { return {DType::kF32, std::move(shape), {}}; }
  Type weight(Dims shape) const {
    return {bf16_ ? DType::kBF16 : DType::kF32, std::move(shape), {}};
  }
  // Just before its reader.
  Value read(Value weight) {
    return bf16_ ? graph_.add("cast", {weight}, {{"dtype", DType::kF32}}) : weight;
  }

  Value any() {
    return values_[static_cast<std::size_t>(
        rng_.integer(0, static_cast<std::int64_t>(values_.size()) - 1))];
  }

  bool is_read(Value value) const {
    for (const Node& node : graph_.nodes) {
      if (std::count(node.inputs.begin(), node.inputs.end(), value) > 0) return true;
    }
    return false;
  }

  Value next() {
    const Value x = any();
    switch (rng_.integer(0, 6)) {
      case 0:
      case 1:
        return graph_.add("matmul",
                          {x, read(squares_[static_cast<std::size_t>(rng_.integer(0, 2))])});
      case 2:
        return graph_.add("tanh", {x});
      case 3:
        return graph_.add("mul", {x, graph_.add("sigmoid", {any()})});
      case 4: {
        // Through [width, N] and back.
        const Value turned = graph_.add("transpose", {x}, {{"axes", Dims{1, 0}}});
        const Value one =
            graph_.add("exp", {graph_.add("neg", {graph_.add("mul", {turned, turned})})});
        return graph_.add("transpose", {one}, {{"axes", Dims{1, 0}}});
      }
      case 5: {
        // Ids that depend on values: no gradient goes through them.
        const Value best = graph_.add("argmax", {x}, {{"axis", std::int64_t{1}}});
        return graph_.add("add", {any(), graph_.add("gather", {read(table_), best},
                                                    {{"axis", std::int64_t{0}}})});
      }
      default:
        return graph_.add("add", {x, any()});
    }
  }

  Rng& rng_;
  bool bf16_;
  Dim n_ = Dim::size(std::string(train::kSamples));
  train::Network network_;
  Graph graph_;
  std::vector<Value> squares_;
  Value table_;
  std::vector<Value> values_;
};

inline GraphComputation node_operators(const train::Network& network) {
  GraphComputation result{network.graph, {}, {}};
  result.computation.name = network.name;
  const Graph& graph = result.graph;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.input(static_cast<NodeId>(n)) != nullptr) {
      result.operators.push_back(-1);
      continue;
    }
    const auto op = static_cast<int>(result.computation.operators.size());
    result.operators.push_back(op);
    // A converted weight belongs to its reader, the next node.
    if (op_name(graph.nodes[n]) == "cast") continue;
    result.computation.operators.push_back({graph.nodes[n].name, 1.0, 1.0, 1.0});
    for (const Value v : graph.nodes[n].inputs) {
      const int from = result.operators[static_cast<std::size_t>(v.node)];
      if (from >= 0 && from != op) result.computation.edges.push_back({from, op, 16.0});
    }
  }
  return result;
}

struct RandomPlanOptions {
  int ranks = 1;
  int batch = 8;
  ScheduleKind schedule = ScheduleKind::kOneF1B;
  int most_stages = 6;
  bool unequal = true;  // micro-batches may differ
  bool bf16 = false;    // parameters
};

// Stages with edges that go deeper; those of one depth are parallel. Ranks are grouped, every stage
// is on the ranks of one group.
inline Plan random_stages(const GraphComputation& network, const RandomPlanOptions& options,
                          Rng& rng) {
  const std::size_t operators = network.computation.operators.size();
  std::vector<std::pair<int, int>> key(operators);
  std::map<std::pair<int, int>, std::vector<int>> stages;
  const double cut = static_cast<double>(options.most_stages) / static_cast<double>(operators);
  for (std::size_t op = 0; op < operators; ++op) {
    std::pair<int, int> deepest{-1, 0};
    bool alone = true;  // all that it reads at that depth is of one stage
    for (const Edge& edge : network.computation.edges) {
      if (edge.to != static_cast<int>(op)) continue;
      const std::pair<int, int> from = key[static_cast<std::size_t>(edge.from)];
      if (from.first > deepest.first) alone = true;
      if (from.first == deepest.first && from != deepest) alone = false;
      if (from.first >= deepest.first) deepest = from;
    }
    const bool stays = deepest.first >= 0 && alone && !rng.chance(cut);
    key[op] = stays ? deepest : std::pair(deepest.first + 1, static_cast<int>(rng.integer(0, 1)));
    stages[key[op]].push_back(static_cast<int>(op));
  }
  std::vector<std::vector<int>> groups;
  for (int rank = 0; rank < options.ranks; ++rank) {
    if (groups.empty() || rng.chance(0.7) || groups.back().size() == 2) groups.push_back({});
    groups.back().push_back(rank);
  }
  Plan plan{network.computation.name, "random", options.batch, options.schedule, {}};
  std::size_t next = 0;
  for (const auto& [where, members] : stages) {
    Stage stage;
    stage.operators = members;
    const bool in_turn = next < groups.size();  // every group gets a stage first
    stage.devices = groups[in_turn ? next++
                                   : static_cast<std::size_t>(rng.integer(
                                         0, static_cast<std::int64_t>(groups.size()) - 1))];
    stage.micro_batch = options.unequal ? 2 << rng.integer(0, 2) : 2;
    stage.recompute = rng.chance(0.25);
    stage.shard_optimizer = rng.chance(0.5);
    plan.stages.push_back(std::move(stage));
  }
  plan.chain = rng.chance(0.25);
  set_in_flight(network.computation, plan);
  for (Stage& stage : plan.stages) {
    const int more = stage.in_flight + static_cast<int>(rng.integer(0, 2));
    stage.in_flight = std::min(more, plan.batch / stage.micro_batch);
  }
  return plan;
}

// The inputs of samples [begin, end) of batch number `step`.
inline NamedTensors random_inputs(int step, int begin, int end) {
  constexpr std::int64_t kWidth = RandomNetwork::kWidth;
  std::vector<double> x, target;
  std::vector<std::int64_t> ids;
  for (int sample = begin; sample < end; ++sample) {
    Rng rng =
        Rng(99).split(static_cast<std::uint64_t>(step) * 1000 + static_cast<std::uint64_t>(sample));
    for (int i = 0; i < kWidth; ++i) {
      x.push_back(rng.uniform(-1.0, 1.0));
      target.push_back(rng.uniform(-0.9, 0.9));
    }
    ids.push_back(rng.integer(0, RandomNetwork::kRows - 1));
  }
  const std::int64_t n = end - begin;
  return {{"x", Tensor::from_doubles(DType::kF32, {n, kWidth}, x)},
          {"ids", Tensor::from_integers(DType::kI64, {n}, ids)},
          {"target", Tensor::from_doubles(DType::kF32, {n, kWidth}, target)}};
}

}  // namespace lamina::pipeline::test
