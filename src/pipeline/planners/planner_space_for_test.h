// For tests: whether a partition lies in the space that GraphPipe's planner searches (docs/design/
// pipeline.md, "Planner"). It looks at the stages alone and knows nothing of the search.
#pragma once

#include <algorithm>
#include <bit>
#include <numeric>
#include <vector>

#include "pipeline/planners/series_parallel.h"

namespace lamina::pipeline::test {

using Set = unsigned;  // of operators

inline bool within(Set inner, Set outer) { return (inner & ~outer) == 0; }

class PlannerSpace {
 public:
  explicit PlannerSpace(const SpTree& tree) : items_(items_of(tree)) {}

  bool has(const std::vector<Set>& stages) const { return is_series(items_, stages); }

 private:
  struct Item {
    Set operators = 0;
    bool is_first = false;  // of a branch of a bundle
    bool is_tangle = false;
    std::vector<std::vector<Item>> branches;  // of a fork or a tangle
  };
  using Items = std::vector<Item>;

  static Set set_of(const Items& items) {
    Set set = 0;
    for (const Item& item : items) set |= item.operators;
    return set;
  }

  static Item item_of(const SpTree& tree) {
    Item item;
    for (const int op : operators_below(tree)) item.operators |= 1U << op;
    item.is_tangle = tree.kind == SpTree::Kind::kTangle;
    for (const SpTree& child : tree.children) item.branches.push_back(items_of(child));
    return item;
  }
  static Items items_of(const SpTree& tree) {
    if (tree.kind != SpTree::Kind::kSeries) return {item_of(tree)};
    Items items;
    for (const SpTree& child : tree.children) items.push_back(item_of(child));
    return items;
  }

  // The stages that have some of these operators and no others.
  static std::vector<Set> stages_in(const std::vector<Set>& stages, Set operators) {
    std::vector<Set> result;
    for (const Set stage : stages) {
      if ((stage & operators) != 0 && within(stage, operators)) result.push_back(stage);
    }
    return result;
  }

  // What a stage has of one item only is a matter of that item. Otherwise its whole items are a
  // run, and it has parts of at most the fork (or tangle) before the run and the one behind it.
  static bool is_run(const Items& items, Set stage) {
    int first = -1, last = -1, partial = 0;
    bool last_is_whole = false;
    for (int i = 0; i < static_cast<int>(items.size()); ++i) {
      const Set operators = items[static_cast<std::size_t>(i)].operators;
      if ((stage & operators) == 0) continue;
      if (first >= 0 && last != i - 1) return false;
      const bool is_whole = within(operators, stage);
      const bool is_border = first >= 0 && items[static_cast<std::size_t>(i)].is_first;
      if (is_border && !(is_whole && last_is_whole)) return false;
      if (first < 0) first = i;
      last = i;
      last_is_whole = is_whole;
      if (!is_whole) ++partial;
    }
    const auto is_partial = [&](int i) {
      return !within(items[static_cast<std::size_t>(i)].operators, stage);
    };
    if (first == last) return true;
    return partial == (is_partial(first) ? 1 : 0) + (is_partial(last) ? 1 : 0);
  }

  static bool is_series(const Items& items, const std::vector<Set>& stages) {
    Set before = 0;
    const Set all = set_of(items);
    for (const Set stage : stages) {
      if (!is_run(items, stage)) return false;
    }
    for (const Item& item : items) {
      const Set behind = all & ~before & ~item.operators;
      if (!item.branches.empty() && !is_fork(item, stages, before, behind)) return false;
      before |= item.operators;
    }
    return true;
  }

  static bool is_fork(const Item& item, const std::vector<Set>& stages, Set before, Set behind) {
    Set head = 0, tail = 0;
    for (const Set stage : stages) {
      if ((stage & item.operators) == 0) continue;
      if (within(item.operators, stage)) return true;
      for (const auto& [others, part] : {std::pair(before, &head), std::pair(behind, &tail)}) {
        if ((stage & others) == 0) continue;
        if (*part != 0) return false;
        *part = stage & item.operators;
      }
    }
    if (item.is_tangle) return true;  // in all partitions without cycles
    std::vector<Items> left = item.branches;
    while (!left.empty()) {
      if (!is_bundle(take_connected(left, stages, head, tail), stages, head, tail)) return false;
    }
    return true;
  }

  // Branches that have to be in one bundle, since stages, the head or the tail have some of each.
  static std::vector<Items> take_connected(std::vector<Items>& left, const std::vector<Set>& stages,
                                           Set head, Set tail) {
    std::vector<Items> taken = {std::move(left.back())};
    left.pop_back();
    std::vector<Set> ties = stages;
    ties.insert(ties.end(), {head, tail});
    Set reached = set_of(taken.front());
    for (bool grows = true; grows;) {
      grows = false;
      for (std::size_t b = 0; b < left.size() && !grows; ++b) {
        const Set own = set_of(left[b]);
        grows = std::any_of(ties.begin(), ties.end(),
                            [&](Set tie) { return (tie & own) != 0 && (tie & reached) != 0; });
        if (!grows) continue;
        reached |= own;
        taken.push_back(std::move(left[b]));
        left.erase(left.begin() + static_cast<std::ptrdiff_t>(b));
      }
    }
    return taken;
  }

  // Whether in some order of the branches the head is their first items, the tail their last, and
  // what is between a series.
  static bool is_bundle(const std::vector<Items>& branches, const std::vector<Set>& stages,
                        Set head, Set tail) {
    std::vector<std::size_t> order(branches.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    do {
      Items items;
      for (const std::size_t b : order) {
        const std::size_t first = items.size();
        items.insert(items.end(), branches[b].begin(), branches[b].end());
        items[first].is_first = true;
      }
      const Set own = set_of(items);
      auto begin = items.begin(), end = items.end();
      while (begin != end && within(begin->operators, head)) ++begin;
      while (end != begin && within((end - 1)->operators, tail)) --end;
      const Items between(begin, end);
      if (set_of(between) != (own & ~head & ~tail)) continue;
      if (is_series(between, stages_in(stages, set_of(between)))) return true;
    } while (std::next_permutation(order.begin(), order.end()));
    return false;
  }

  Items items_;
};

}  // namespace lamina::pipeline::test
