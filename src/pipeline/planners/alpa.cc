// Alpa's planner: operators in a linear order, grouped into layers of about the same time, and
// stages of layers on submeshes.
#include "pipeline/planners/alpa.h"

#include <algorithm>
#include <climits>
#include <map>

#include "pipeline/planners.h"
#include "pipeline/planners/chain_judge.h"

namespace lamina::pipeline {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// 1, 2, 4, .. devices of a node, and 2, 4, .. whole nodes.
std::vector<int> submeshes(const Cluster& cluster) {
  std::map<int, int> counts;  // of devices, by node
  for (const DeviceSpec& device : cluster.devices) ++counts[device.node];
  int per_node = counts.begin()->second;
  for (const auto& [node, count] : counts) per_node = std::min(per_node, count);
  std::vector<int> sizes;
  for (int size = 1; size <= per_node; size *= 2) sizes.push_back(size);
  const auto nodes = static_cast<int>(counts.size());
  for (int size = nodes > 1 ? 1 : 2; size <= nodes; size *= 2) {
    if (size * per_node > sizes.back()) sizes.push_back(size * per_node);
  }
  return sizes;
}

// The first operators of `count` layers and the end: the cuts that carry the fewest bytes of those
// where no layer of several operators takes more than `most_s`. Empty: there are none.
std::vector<int> cuts_within(const ChainCosts& costs, int count, double most_s) {
  const int operators = costs.sets().nodes();
  struct Cut {
    double bytes = kNever;
    int before = 0;
  };
  std::vector<std::vector<Cut>> best(static_cast<std::size_t>(count) + 1,
                                     std::vector<Cut>(static_cast<std::size_t>(operators) + 1));
  best[0][0].bytes = 0.0;
  for (int end = 1; end <= operators; ++end) {
    for (int first = end - 1; first >= 0; --first) {
      if (end - first > 1 && costs.seconds(costs.sums(first, end), 1) > most_s) break;
      for (std::size_t layers = 1; layers < best.size(); ++layers) {
        const double bytes =
            best[layers - 1][static_cast<std::size_t>(first)].bytes + costs.border_s(end);
        Cut& cut = best[layers][static_cast<std::size_t>(end)];
        if (bytes < cut.bytes) cut = {bytes, first};
      }
    }
  }
  std::vector<int> cuts;
  if (best.back().back().bytes == kNever) return cuts;
  int end = operators;
  for (std::size_t layers = best.size() - 1; layers > 0; --layers) {
    cuts.push_back(end);
    end = best[layers][static_cast<std::size_t>(end)].before;
  }
  cuts.push_back(0);
  std::reverse(cuts.begin(), cuts.end());
  return cuts;
}

std::vector<int> layer_cuts(const ChainCosts& costs, int most_layers) {
  const int operators = costs.sets().nodes();
  const int count = std::min(operators, most_layers);
  const double average_s = costs.seconds(costs.sums(0, operators), 1) / count;
  for (double times = 1.5;; times *= 2.0) {
    std::vector<int> cuts = cuts_within(costs, count, times * average_s);
    if (!cuts.empty()) return cuts;
  }
}

AlpaProblem problem_of(const ChainCosts& costs, const std::vector<int>& cuts,
                       const std::vector<int>& meshes, int devices, bool recompute) {
  AlpaProblem problem{devices, costs.micro_batches(), {}};
  const auto layers = static_cast<int>(cuts.size()) - 1;
  for (int first = 0; first < layers; ++first) {
    std::vector<AlpaOption>& options = problem.options.emplace_back();
    for (int next = first + 1; next <= layers; ++next) {
      const StageSums stage =
          costs.sums(cuts[static_cast<std::size_t>(first)], cuts[static_cast<std::size_t>(next)]);
      for (const int mesh : meshes) {
        if (costs.micro_batch() % mesh != 0) continue;
        for (const bool again : {false, true}) {
          if (again && !recompute) continue;
          const int most = costs.most_stages(stage, mesh, again);
          const double sample_s = costs.seconds(stage, mesh, again) + costs.reduce_s(stage, mesh);
          if (most == 0) continue;
          options.push_back({next, mesh, costs.micro_batch() * sample_s, most, again});
        }
      }
    }
    std::stable_sort(options.begin(), options.end(), [](const AlpaOption& a, const AlpaOption& b) {
      return a.seconds < b.seconds;
    });
  }
  return problem;
}

}  // namespace

Planned plan_alpa(const Computation& computation, const Cluster& cluster,
                  const PlanOptions& options) {
  constexpr int kMostLayers = 64;
  const Deadline deadline(options.limit_s);
  const auto nodes = static_cast<int>(computation.operators.size());
  const Downsets sets(nodes, chain_of(linear_order(nodes, pairs_of(computation))), INT_MAX,
                      deadline);
  if (!sets.complete()) return {std::nullopt, sets.reason(), 0.0, sets.size()};
  ChainCosts costs(computation, cluster, options, sets);
  const std::vector<int> cuts = layer_cuts(costs, kMostLayers);
  const std::vector<int> meshes = submeshes(cluster);
  const auto search = [&](const ChainCosts& at) {
    const auto devices = static_cast<int>(cluster.devices.size());
    const AlpaResult best =
        least_sum(problem_of(at, cuts, meshes, devices, options.recompute), deadline);
    FoundChain chain{{}, best.states};
    int first = 0;
    for (const AlpaOption& stage : best.stages) {
      chain.stages.push_back({cuts[static_cast<std::size_t>(first)],
                              cuts[static_cast<std::size_t>(stage.next)], stage.devices,
                              stage.recompute});
      first = stage.next;
    }
    return chain;
  };
  return search_chains({computation, cluster, options, "alpa"}, costs, options, deadline, search);
}

}  // namespace lamina::pipeline
