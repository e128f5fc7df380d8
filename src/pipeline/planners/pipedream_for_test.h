// For tests: PipeDream's own cost model on its profiles (optimizer_graph_hierarchical.py, one
// level, with --activation_compression_ratio 1).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "pipeline/planners/chain_costs.h"
#include "pipeline/planners/pipedream.h"

namespace lamina::pipeline::test {

// Without operators called "... Input...", which the original takes away.
inline Computation without_inputs(const Computation& given) {
  Computation result;
  std::vector<int> places;
  for (const Operator& op : given.operators) {
    const bool is_input = op.name.find(" Input") != std::string::npos;
    places.push_back(is_input ? -1 : static_cast<int>(result.operators.size()));
    if (!is_input) result.operators.push_back(op);
  }
  for (const Edge& edge : given.edges) {
    const int from = places[static_cast<std::size_t>(edge.from)];
    const int to = places[static_cast<std::size_t>(edge.to)];
    if (from >= 0) result.edges.push_back({from, to, edge.bytes});
  }
  return result;
}

// Seconds of the slowest stage, and the number of stages.
inline std::pair<double, int> pipedream_original(const std::string& path, int machines,
                                                 double bandwidth) {
  const Computation net = without_inputs(load_computation(path));
  const Downsets sets(static_cast<int>(net.operators.size()), pairs_of(net), 100'000,
                      Deadline(0.0));
  require(sets.complete(), "{}: {}", path, sets.reason());
  std::vector<double> seconds, bytes;
  for (const Operator& op : net.operators) {
    seconds.push_back(op.forward_s + op.input_gradient_s + op.weight_gradient_s);
    bytes.push_back(op.parameter_bytes);
  }
  const std::vector<double> compute_s = sets.sums(seconds), parameters = sets.sums(bytes);
  const Crossings crossings(sets, tensors_of(net));
  MachineLevel level;
  level.machines = machines;
  for (int set = 0; set < sets.size(); ++set) {
    level.border_s.push_back(2.0 * crossings.border(set) / bandwidth);
  }
  const auto between = [](const std::vector<double>& sum, int inner, int outer) {
    return sum[static_cast<std::size_t>(outer)] - sum[static_cast<std::size_t>(inner)];
  };
  const std::vector<std::vector<int>> supersets = supersets_of(sets, INT64_MAX, Deadline(0.0));
  std::vector<ReplicatedLoad> loads;
  level.loads = [&](int inner) {
    loads.clear();
    for (const int outer : supersets[static_cast<std::size_t>(inner)]) {
      for (int replicas = 1; replicas <= machines; ++replicas) {
        const double reduce_s =
            4.0 * (replicas - 1) * between(parameters, inner, outer) / (bandwidth * replicas);
        loads.push_back({(between(compute_s, inner, outer) + reduce_s) / replicas, machines});
      }
    }
    return std::span<const ReplicatedLoad>(loads);
  };
  LevelSearch search(sets, supersets, level);
  search.run(0, Deadline(0.0));
  const int all = sets.size() - 1;
  return {search.seconds(all, machines), static_cast<int>(search.stages(all, machines).size())};
}

}  // namespace lamina::pipeline::test
