// For tests: all chains of stages of a small network, and random networks with costs.
#pragma once

#include <functional>
#include <vector>

#include "base/rng.h"
#include "pipeline/planners/downsets.h"
#include "pipeline/random_plan_for_test.h"

namespace lamina::pipeline::test {

// Costs are small whole numbers, so that sums are exact; one tensor for each operator.
inline Computation random_costs(int operators, Rng& rng) {
  Computation network = random_network(operators, {}, rng);
  for (Operator& op : network.operators) {
    op.forward_s = static_cast<double>(rng.integer(1, 8));
    op.input_gradient_s = static_cast<double>(rng.integer(1, 8));
    op.weight_gradient_s = static_cast<double>(rng.integer(0, 8));
    op.parameter_bytes = static_cast<double>(rng.integer(0, 50));
    op.saved_bytes = static_cast<double>(rng.integer(0, 20));
  }
  std::vector<double> bytes;
  for (int i = 0; i < operators; ++i) bytes.push_back(static_cast<double>(rng.integer(0, 16)));
  for (Edge& edge : network.edges) edge.bytes = bytes[static_cast<std::size_t>(edge.from)];
  return network;
}

// Calls `use` with the stage of every operator, stages from 0, for every chain of at most `most`
// stages in which no edge goes back.
inline void for_each_chain(const Computation& network, int most,
                           const std::function<void(const std::vector<int>&, int)>& use) {
  const auto count = network.operators.size();
  std::vector<int> stage(count, 0);
  for (int stages = 1; stages <= most; ++stages) {
    std::fill(stage.begin(), stage.end(), 0);
    for (bool more = true; more;) {
      std::vector<bool> used(static_cast<std::size_t>(stages), false);
      for (const int each : stage) used[static_cast<std::size_t>(each)] = true;
      bool valid = std::count(used.begin(), used.end(), false) == 0;
      for (const Edge& edge : network.edges) {
        valid = valid && stage[static_cast<std::size_t>(edge.from)] <=
                             stage[static_cast<std::size_t>(edge.to)];
      }
      if (valid) use(stage, stages);
      std::size_t digit = 0;
      while (digit < count && ++stage[digit] == stages) stage[digit++] = 0;
      more = digit < count;
    }
  }
}

}  // namespace lamina::pipeline::test
