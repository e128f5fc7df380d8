// Candidates, their costs, and the choice among them.
#include "search/partition.h"

#include <algorithm>
#include <numeric>

#include "search/judge.h"

namespace lamina::search {

Partition partition(const Graph& prepared, const Rates& rates, const PartitionOptions& options) {
  constexpr std::int64_t kLargestBinding = 128;
  const CostModel costs(prepared, rates, choose_bindings(prepared, kLargestBinding));
  const OperatorGraph operators(prepared);
  const std::vector<CoverCandidate> candidates =
      candidate_regions(operators, costs, options.limits);
  const Cover cover = choose_cover(operators.order, candidates, options.beam);
  Partition result;
  for (const std::size_t c : cover.chosen) {
    Region region;
    for (const std::size_t p : candidates[c].nodes) region.nodes.push_back(operators.nodes[p]);
    result.regions.push_back(std::move(region));
  }
  std::sort(result.regions.begin(), result.regions.end(),
            [](const Region& a, const Region& b) { return a.nodes < b.nodes; });
  result.alone_s = std::accumulate(costs.alone().begin(), costs.alone().end(), 0.0);
  result.fused_s = result.alone_s - cover.saving;
  result.exact = cover.exact;
  result.candidates = candidates.size();
  return result;
}

}  // namespace lamina::search
