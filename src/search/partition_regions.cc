// Growing and enumerating convex sets, each structure priced once.
#include "search/partition_regions.h"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

#include "graph/op_def.h"
#include "search/candidates.h"
#include "search/region.h"
#include "search/region_structure.h"

namespace lamina::search {
namespace {

class Finder {
 public:
  Finder(const OperatorGraph& operators, const CostModel& costs, const RegionLimits& limits)
      : operators_(operators), costs_(costs), limits_(limits), structures_(operators) {
    for (const NodeId n : operators.nodes) {
      alone_.push_back(costs.alone()[static_cast<std::size_t>(n)]);
    }
  }

  RegionCandidates run() {
    // Products, reductions and the like first: what grows around element-wise nodes is mostly found
    // from there.
    Positions seeds;
    for (std::size_t p = 0; p < operators_.order.size(); ++p) {
      if (can_join(p)) seeds.push_back(p);
    }
    const auto others = std::stable_partition(seeds.begin(), seeds.end(), [&](std::size_t p) {
      return node_at(p).op->kind != Kind::kElementwise;
    });
    const Positions first(seeds.begin(), others);
    grow(lines_around(first, {Towards::kProducers, Towards::kConsumers}));
    grow(lines_around(first, {Towards::kConsumers, Towards::kProducers}));
    grow(lines_around({others, seeds.end()}, {Towards::kProducers, Towards::kConsumers}));
    grow(lines_around({others, seeds.end()}, {Towards::kConsumers, Towards::kProducers}));
    grow(lines_around(seeds, {Towards::kBoth}));
    for (const std::size_t seed : seeds) enumerate(seed, limits_.enumerated / seeds.size());
    return {std::move(found_), prices_.size()};
  }

 private:
  enum class Towards : std::uint8_t { kConsumers, kProducers, kBoth };
  static constexpr int kPatience = 3;

  // A region has one output per node and no inner graphs (a block is a region already).
  bool can_join(std::size_t p) const {
    const Node& node = node_at(p);
    return operators_.free[p] && node.types.size() == 1 && node.graphs.empty();
  }

  const Node& node_at(std::size_t p) const {
    return operators_.graph.nodes[static_cast<std::size_t>(operators_.nodes[p])];
  }

  double apart(const Positions& region) const {
    double seconds = 0.0;
    for (const std::size_t p : region) seconds += alone_[p];
    return seconds;
  }

  // What the region saves as blocks; nothing when it cannot be tiled.
  std::optional<double> saving(const Positions& region) {
    const Price& price = price_of(region);
    if (!price.whole) return std::nullopt;
    double seconds = *price.whole;
    if (!price.before.empty()) {
      const Positions before = at(region, price.before);
      Positions rest;
      std::set_difference(region.begin(), region.end(), before.begin(), before.end(),
                          std::back_inserter(rest));
      const std::optional<double> first = price_of(before).whole;
      const std::optional<double> second = price_of(rest).whole;
      if (first && second) seconds = std::min(seconds, *first + *second);
    }
    return apart(region) - seconds;
  }

  // Of a structure: as one block, and which of its nodes prepare operands of products (a block of
  // their own may be faster).
  struct Price {
    std::optional<double> whole;
    Positions before;  // numbers within the region
  };

  const Price& price_of(const Positions& region) {
    const auto [entry, fresh] = prices_.try_emplace(structures_.describe(region));
    if (!fresh || prices_.size() > limits_.programs) return entry->second;
    Region nodes;
    for (const std::size_t p : region) nodes.nodes.push_back(operators_.nodes[p]);
    const Graph program = cut(operators_.graph, nodes);
    const std::vector<NodeId> all = operator_nodes(program);
    Price& price = entry->second;
    if (const auto fused = costs_.in_one_block(program, {all})) price.whole = fused->seconds;
    const Region before = prologue(program);
    if (!price.whole || before.nodes.size() == all.size()) return price;
    for (const NodeId n : before.nodes) {
      const auto number = std::lower_bound(all.begin(), all.end(), n) - all.begin();
      price.before.push_back(static_cast<std::size_t>(number));
    }
    return price;
  }

  static Positions at(const Positions& region, const Positions& numbers) {
    Positions found;
    for (const std::size_t number : numbers) found.push_back(region[number]);
    return found;
  }

  void offer(const Positions& region, double saved) {
    if (region.size() < 2 || saved <= -limits_.loss * apart(region)) return;
    if (offered_.insert(region).second) found_.push_back({region, saved});
  }

  // The region with `next` and all that lies between; nothing when it may not grow so.
  std::optional<Positions> joined(Positions region, std::size_t next) const {
    region.push_back(next);
    Positions hull = operators_.order.convex_hull(std::move(region));
    const bool fits = hull.size() <= limits_.nodes &&
                      std::all_of(hull.begin(), hull.end(), [&](auto p) { return can_join(p); });
    return fits ? std::optional(std::move(hull)) : std::nullopt;
  }

  Positions neighbours(const Positions& region, Towards towards) const {
    Positions found;
    for (const std::size_t p : region) {
      if (towards != Towards::kProducers) {
        const Positions& to = operators_.order.consumers(p);
        found.insert(found.end(), to.begin(), to.end());
      }
      if (towards != Towards::kConsumers) {
        const Positions& from = operators_.order.producers(p);
        found.insert(found.end(), from.begin(), from.end());
      }
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    std::erase_if(found, [&](std::size_t p) {
      return !can_join(p) || std::binary_search(region.begin(), region.end(), p);
    });
    return found;
  }

  // A region that grows in one direction after another.
  struct Line {
    Positions region;
    std::vector<Towards> directions;  // those that are left, the present one last
    int patience = kPatience;
    double best = 0.0;  // saving of the best stage
    double now = 0.0;   // of the last one that could be tiled
  };

  static std::vector<Line> lines_around(const Positions& seeds, std::vector<Towards> directions) {
    std::reverse(directions.begin(), directions.end());
    std::vector<Line> lines;
    for (const std::size_t seed : seeds) lines.push_back({{seed}, directions});
    return lines;
  }

  // All regions grow step by step together, so that none is left out if the limit on programs is
  // met.
  void grow(std::vector<Line> lines) {
    while (!lines.empty()) {
      for (Line& line : lines) advance(line);
      std::erase_if(lines, [](const Line& line) { return line.directions.empty(); });
    }
  }

  // Steps that do not save more than the best stage are taken for a while: a sum alone saves
  // nothing, the norm that it ends in does. So are steps to what cannot be tiled by itself.
  void advance(Line& line) {
    std::optional<Positions> next = step(line.region, line.directions.back(), line.now);
    if (next) {
      line.region = std::move(*next);
      const std::optional<double> saved = saving(line.region);
      if (saved) offer(line.region, *saved);
      line.now = saved.value_or(line.now);
      --line.patience;
      if (saved && *saved > line.best) {
        line.best = *saved;
        line.patience = kPatience;
      }
    }
    if (!next || line.patience == 0) {
      line.directions.pop_back();
      line.patience = kPatience;
    }
  }

  std::optional<Positions> step(const Positions& region, Towards towards, double now) {
    std::optional<Positions> best;
    std::optional<double> most;
    for (const std::size_t next : neighbours(region, towards)) {
      std::optional<Positions> larger = joined(region, next);
      if (!larger) continue;
      const std::optional<double> saved = saving(*larger);
      if (saved && *saved > now) return larger;
      if (best && (!saved || (most && *saved <= *most))) continue;
      most = saved;
      best = std::move(larger);
    }
    return best;
  }

  // Every connected convex set around the seed is reached by joining one neighbour after another.
  void enumerate(std::size_t seed, std::size_t most) {
    std::vector<Positions> sets = {{seed}};
    std::set<Positions> known = {{seed}};
    for (std::size_t s = 0; s < sets.size() && sets.size() < most; ++s) {
      const Positions region = sets[s];
      for (const std::size_t next : neighbours(region, Towards::kBoth)) {
        std::optional<Positions> larger = joined(region, next);
        if (!larger || sets.size() >= most || !known.insert(*larger).second) continue;
        if (const auto saved = saving(*larger)) offer(*larger, *saved);
        sets.push_back(std::move(*larger));
      }
    }
  }

  const OperatorGraph& operators_;
  const CostModel& costs_;
  const RegionLimits& limits_;
  Structures structures_;
  std::vector<double> alone_;  // by position
  std::unordered_map<std::vector<int>, Price, NumbersHash> prices_;
  std::set<Positions> offered_;
  std::vector<CoverCandidate> found_;
};

}  // namespace

RegionCandidates candidate_regions(const OperatorGraph& operators, const CostModel& costs,
                                   const RegionLimits& limits) {
  return Finder(operators, costs, limits).run();
}

}  // namespace lamina::search
