// For tests: random networks, each operator a stage of its own.
#pragma once

#include "base/rng.h"
#include "lamina/pipeline.h"

namespace lamina::pipeline::test {

struct Costs {
  double forward = 1.0;
  double input_gradient = 1.0;
  double weight_gradient = 1.0;
};

// `stages` operators with equal costs, in a connected graph whose edges carry nothing.
inline Computation random_network(int stages, const Costs& costs, Rng& rng) {
  Computation network;
  network.name = "random";
  for (int i = 0; i < stages; ++i) {
    Operator op;
    op.name = "op" + std::to_string(i);
    op.forward_s = costs.forward;
    op.input_gradient_s = costs.input_gradient;
    op.weight_gradient_s = costs.weight_gradient;
    network.operators.push_back(op);
    if (i == 0) continue;
    const auto first = static_cast<int>(rng.integer(0, i - 1));
    for (int from = 0; from < i; ++from) {
      if (from == first || rng.chance(0.25)) network.edges.push_back({from, i, 0.0});
    }
  }
  return network;
}

// `branches` chains of `layers` operators, then an operator that joins them, with costs of a layer:
// forward 1, gradients 1 each; the join's share of it.
struct Towers {
  int branches = 2;
  int layers = 4;
  double join = 1.0;
  double bytes = 0.0;  // of every edge
};
inline Computation towers_network(const Towers& towers) {
  Computation network;
  network.name = "towers";
  const auto add = [&](double seconds) {
    Operator op;
    op.name = "op" + std::to_string(network.operators.size());
    op.forward_s = op.input_gradient_s = op.weight_gradient_s = seconds;
    network.operators.push_back(op);
  };
  const int join = towers.branches * towers.layers;
  for (int b = 0; b < towers.branches; ++b) {
    for (int layer = 0; layer < towers.layers; ++layer) {
      const auto own = static_cast<int>(network.operators.size());
      add(1.0);
      network.edges.push_back({own, layer + 1 < towers.layers ? own + 1 : join, towers.bytes});
    }
  }
  add(towers.join);
  return network;
}

// `operators` operators with random costs in a random series-parallel order; what a series joins,
// it joins completely.
inline Computation series_parallel_network(int operators, Rng& rng) {
  Computation network;
  network.name = "random series-parallel";
  struct Part {
    std::vector<int> first, last;
  };
  std::vector<Part> parts;
  for (int i = 0; i < operators; ++i) {
    Operator op;
    op.name = "op" + std::to_string(i);
    op.forward_s = rng.uniform(0.5, 2.0);
    op.input_gradient_s = rng.uniform(0.5, 2.0);
    op.weight_gradient_s = rng.uniform(0.5, 2.0);
    op.parameter_bytes = rng.uniform(1.0, 2.0);
    op.saved_bytes = rng.uniform(1.0, 2.0);
    network.operators.push_back(op);
    parts.push_back({{i}, {i}});
  }
  const auto join = [](std::vector<int>& to, const std::vector<int>& more) {
    to.insert(to.end(), more.begin(), more.end());
  };
  while (parts.size() > 1) {  // neighbours, so that edges go to larger indices
    const auto at = static_cast<std::size_t>(rng.integer(1, static_cast<int>(parts.size()) - 1));
    Part &left = parts[at - 1], &right = parts[at];
    if (rng.chance(0.5)) {
      for (const int from : left.last) {
        for (const int to : right.first) network.edges.push_back({from, to, 0.0});
      }
      left.last = right.last;
    } else {
      join(left.first, right.first);
      join(left.last, right.last);
    }
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return network;
}

// One device and one stage for each operator, micro-batches of one sample.
inline Plan stage_per_operator(const Computation& network, int batch, ScheduleKind schedule) {
  Plan plan{network.name, "test", batch, schedule, {}};
  for (std::size_t i = 0; i < network.operators.size(); ++i) {
    plan.stages.push_back({{static_cast<int>(i)}, {static_cast<int>(i)}, 1, 1, false, false});
  }
  set_in_flight(network, plan);
  return plan;
}

inline Cluster enough_devices(const Computation& network) {
  const auto devices = static_cast<int>(network.operators.size());
  return uniform_cluster(devices, 1e9, {1e9, 0.0}, devices);
}

}  // namespace lamina::pipeline::test
