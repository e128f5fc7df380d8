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
