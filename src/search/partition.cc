// Candidates, their costs, and the choice among them.
#include "search/partition.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "search/block_search.h"
#include "search/judge.h"

namespace lamina::search {
namespace {

constexpr std::int64_t kLargestBinding = 128;

using Chosen = std::vector<CoverCandidate>;

constexpr auto kAlone = static_cast<std::size_t>(-1);

// The number of the region that each node is in, or kAlone.
std::vector<std::size_t> owners(std::size_t count, const Chosen& regions) {
  std::vector<std::size_t> owner(count, kAlone);
  for (std::size_t r = 0; r < regions.size(); ++r) {
    for (const std::size_t n : regions[r].nodes) owner[n] = r;
  }
  return owner;
}

// Whether the regions can run in some order: no two wait for each other.
bool can_run(const Precedence& order, const Chosen& regions) {
  const std::vector<std::size_t> owner = owners(order.size(), regions);
  // Nodes are done in order where they can be; a region is done when its last node can be.
  std::vector<bool> done(order.size(), false);
  const auto is_ready = [&](std::size_t n, std::size_t region) {
    return std::all_of(order.producers(n).begin(), order.producers(n).end(), [&](std::size_t p) {
      return done[p] || (region != kAlone && owner[p] == region);
    });
  };
  for (std::size_t left = order.size(), before = left + 1; left < before;) {
    before = left;
    for (std::size_t n = 0; n < order.size(); ++n) {
      if (done[n]) continue;
      const std::vector<std::size_t> lone = {n};
      const std::vector<std::size_t>& nodes = owner[n] == kAlone ? lone : regions[owner[n]].nodes;
      const bool ready = std::all_of(nodes.begin(), nodes.end(),
                                     [&](std::size_t m) { return is_ready(m, owner[n]); });
      if (!ready) continue;
      for (const std::size_t m : nodes) done[m] = true;
      left -= nodes.size();
    }
    if (left == 0) return true;
  }
  return order.size() == 0;
}

double saving_of(const Chosen& regions) {
  return std::accumulate(regions.begin(), regions.end(), 0.0,
                         [](double sum, const CoverCandidate& c) { return sum + c.saving; });
}

// Larger regions in place of what they hold, where they take no longer but for the tolerance.
class Widening {
 public:
  Widening(const Precedence& order, const std::vector<double>& alone, double tolerance)
      : order_(order), alone_(alone), tolerance_(tolerance) {}

  Chosen run(Chosen chosen, std::vector<CoverCandidate> candidates) const {
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const auto& a, const auto& b) { return a.nodes.size() > b.nodes.size(); });
    std::vector<std::size_t> owner = owners(order_.size(), chosen);
    for (const CoverCandidate& candidate : candidates) {
      const std::optional<std::set<std::size_t>> inside = held(candidate, chosen, owner);
      if (!inside || !is_as_good(candidate, *inside, chosen)) continue;
      Chosen wider = {candidate};
      for (std::size_t r = 0; r < chosen.size(); ++r) {
        if (!inside->contains(r)) wider.push_back(chosen[r]);
      }
      if (!can_run(order_, wider)) continue;
      chosen = std::move(wider);
      owner = owners(order_.size(), chosen);
    }
    return chosen;
  }

 private:
  // The chosen regions in the candidate; nothing when one of them is partly outside, or is all of
  // it.
  static std::optional<std::set<std::size_t>> held(const CoverCandidate& candidate,
                                                   const Chosen& chosen,
                                                   const std::vector<std::size_t>& owner) {
    std::set<std::size_t> regions;
    std::size_t outside = 0;
    for (const std::size_t n : candidate.nodes) {
      if (owner[n] != kAlone && regions.insert(owner[n]).second) {
        outside += chosen[owner[n]].nodes.size();
      }
    }
    for (const std::size_t n : candidate.nodes) outside -= owner[n] != kAlone ? 1 : 0;
    const bool same =
        regions.size() == 1 && chosen[*regions.begin()].nodes.size() == candidate.nodes.size();
    return outside == 0 && !same ? std::optional(std::move(regions)) : std::nullopt;
  }

  bool is_as_good(const CoverCandidate& candidate, const std::set<std::size_t>& inside,
                  const Chosen& chosen) const {
    double apart = 0.0;
    for (const std::size_t n : candidate.nodes) apart += alone_[n];
    double now = apart;
    for (const std::size_t r : inside) now -= chosen[r].saving;
    return apart - candidate.saving <= (1.0 + tolerance_) * now;
  }

  const Precedence& order_;
  const std::vector<double>& alone_;  // by position
  double tolerance_;
};

// The fixed regions and those of `chosen` that can run beside them.
Chosen with_convolutions(const OperatorGraph& operators, Chosen chosen) {
  if (operators.convolutions.empty()) return chosen;
  Chosen all;
  for (const Region& region : operators.convolutions) {
    all.emplace_back();
    for (const NodeId n : region.nodes) {
      const auto at = std::lower_bound(operators.nodes.begin(), operators.nodes.end(), n);
      all.back().nodes.push_back(static_cast<std::size_t>(at - operators.nodes.begin()));
    }
  }
  for (CoverCandidate& candidate : chosen) {
    all.push_back(std::move(candidate));
    if (!can_run(operators.order, all)) all.pop_back();
  }
  return all;
}

}  // namespace

Partition partition(const Graph& prepared, const Rates& rates, const PartitionOptions& options) {
  const CostModel costs(prepared, rates, choose_bindings(prepared, kLargestBinding));
  const OperatorGraph operators(prepared);
  RegionCandidates found = candidate_regions(operators, costs, options.limits);
  std::vector<CoverCandidate>& candidates = found.regions;
  if (!options.whole) {
    std::erase_if(candidates,
                  [&](const auto& c) { return c.nodes.size() == operators.nodes.size(); });
  }
  const Cover cover = choose_cover(operators.order, candidates, options.beam);
  Chosen chosen;
  for (const std::size_t c : cover.chosen) chosen.push_back(candidates[c]);
  std::vector<double> alone;
  for (const NodeId n : operators.nodes) {
    alone.push_back(costs.alone()[static_cast<std::size_t>(n)]);
  }
  Partition result;
  result.candidates = candidates.size();
  result.programs = found.programs;
  chosen = Widening(operators.order, alone, options.tolerance)
               .run(std::move(chosen), std::move(candidates));
  result.fused_s = -saving_of(chosen);
  chosen = with_convolutions(operators, std::move(chosen));
  for (const CoverCandidate& region : chosen) {
    result.regions.emplace_back();
    for (const std::size_t p : region.nodes) {
      result.regions.back().nodes.push_back(operators.nodes[p]);
    }
  }
  std::sort(result.regions.begin(), result.regions.end(),
            [](const Region& a, const Region& b) { return a.nodes < b.nodes; });
  result.alone_s = std::accumulate(alone.begin(), alone.end(), 0.0);
  result.fused_s += result.alone_s;
  result.exact = cover.exact;
  return result;
}

namespace {

// The best choice of blocks that are smaller than the program.
Recipe smaller_blocks(const Graph& program, const Rates& rates) {
  const Partition parts = partition(program, rates, {.tolerance = 0.0, .whole = false});
  const CostModel costs(program, rates, choose_bindings(program, kLargestBinding));
  Recipe recipe;
  for (const Region& region : parts.regions) {
    const Graph inner = cut(program, region);
    const std::vector<NodeId> inner_nodes = operator_nodes(inner);
    const std::optional<CostModel::Fused> fused = costs.fused(inner);
    if (!fused) continue;
    for (const CostModel::Block& block : fused->blocks) {
      Region outer;
      for (const NodeId n : block.region.nodes) {
        const auto at = std::lower_bound(inner_nodes.begin(), inner_nodes.end(), n);
        outer.nodes.push_back(region.nodes[static_cast<std::size_t>(at - inner_nodes.begin())]);
      }
      recipe.parts.push_back({std::move(outer), block.tiling, {}});
    }
  }
  return recipe;
}

}  // namespace

Candidates partition_candidates(const Graph& program, const Rates& rates, const Limits& limits) {
  const Recipe ruled = smaller_blocks(program, rates);
  Candidates result;
  if (ruled.parts.empty()) return result;
  Recipe searched = ruled;
  bool differs = false;
  for (Recipe::Part& part : searched.parts) {
    const Candidates found = search_blocks(cut(program, part.region), limits);
    result.statistics.add(found.statistics);
    result.seconds += found.seconds;
    if (found.recipes.empty()) continue;
    const Recipe::Part& best = found.recipes[0].parts[0];
    part.tiling = best.tiling;
    part.program = best.program;
    differs = true;
  }
  result.recipes.push_back(ruled);
  if (differs) result.recipes.push_back(std::move(searched));
  return result;
}

Candidates all_candidates(const Graph& program, const Rates& rates, const Limits& limits) {
  Candidates all = generate(program, limits);
  Candidates parts = partition_candidates(program, rates, limits);
  all.statistics.add(parts.statistics);
  all.seconds += parts.seconds;
  std::move(parts.recipes.begin(), parts.recipes.end(), std::back_inserter(all.recipes));
  return all;
}

}  // namespace lamina::search
