// The dynamic programme of PipeDream over one level of machines.
#include <algorithm>

#include "pipeline/planners/pipedream.h"

namespace lamina::pipeline {

std::vector<std::vector<int>> supersets_of(const Downsets& sets, std::int64_t limit,
                                           const Deadline& deadline) {
  std::vector<std::vector<int>> result;
  std::int64_t pairs = 0;
  for (int inner = 0; inner < sets.size() && pairs <= limit && !deadline.passed(); ++inner) {
    std::vector<int>& outer = result.emplace_back();
    for (int set = inner + 1; set < sets.size(); ++set) {
      if (sets.inside(inner, set)) outer.push_back(set);
    }
    pairs += static_cast<std::int64_t>(outer.size());
  }
  return result;
}

bool LevelSearch::run(int first, const Deadline& deadline) {
  cells_.assign(
      static_cast<std::size_t>(sets_.size()) * static_cast<std::size_t>(level_.machines + 1), {});
  cells_[cell(first, 0)].seconds = 0.0;
  const auto visit = [&](int inner) {
    std::span<const ReplicatedLoad> loads = level_.loads(inner);
    for (const int outer : supersets_[static_cast<std::size_t>(inner)]) {
      extend(first, inner, outer, loads);
      loads = loads.subspan(static_cast<std::size_t>(level_.machines));
    }
  };
  visit(first);
  for (const int inner : supersets_[static_cast<std::size_t>(first)]) {
    if (deadline.passed()) return false;
    visit(inner);
  }
  return !deadline.passed();
}

// A stage between two others waits for transfers, too; the original counts none for a stage alone.
void LevelSearch::extend(int first, int inner, int outer, std::span<const ReplicatedLoad> loads) {
  const bool is_last = outer == sets_.size() - 1;
  const double border_s =
      inner == first ? 0.0
                     : std::max(level_.border_s[static_cast<std::size_t>(inner)],
                                is_last ? 0.0 : level_.border_s[static_cast<std::size_t>(outer)]);
  for (int replicas = 1; replicas <= level_.machines; ++replicas) {
    const ReplicatedLoad& load = loads[static_cast<std::size_t>(replicas - 1)];
    const double own_s = std::max(load.seconds, border_s / replicas);
    if (own_s == std::numeric_limits<double>::infinity()) continue;
    const int least = std::max(0, level_.machines - replicas - load.most_after);
    for (int before = least; before + replicas <= level_.machines; ++before) {
      const double seconds = std::max(cells_[cell(inner, before)].seconds, own_s);
      Cell& found = cells_[cell(outer, before + replicas)];
      if (seconds < found.seconds) found = {seconds, inner, replicas};
    }
  }
}

std::vector<ReplicatedStage> LevelSearch::stages(int set, int machines) const {
  std::vector<ReplicatedStage> result;
  for (const Cell* at = &cells_[cell(set, machines)]; at->inner >= 0;
       at = &cells_[cell(set, machines)]) {
    result.push_back({at->inner, set, at->replicas});
    machines -= at->replicas;
    set = at->inner;
  }
  std::reverse(result.begin(), result.end());
  return result;
}

}  // namespace lamina::pipeline
