// For tests: random partitions of the space that GraphPipe's planner searches (docs/design/
// pipeline.md, "Planner"), drawn from its grammar without any dynamic programming.
#pragma once

#include <numeric>
#include <vector>

#include "base/rng.h"
#include "pipeline/planners/series_parallel.h"

namespace lamina::pipeline::test {

class SpaceSample {
 public:
  explicit SpaceSample(Rng& rng) : rng_(rng) {}

  // Stages as sets of operators.
  std::vector<unsigned> draw(const SpTree& tree) {
    stages_.clear();
    sequence(items_of(tree));
    return stages_;
  }

 private:
  using Items = std::vector<SpTree>;

  static Items items_of(const SpTree& tree) {
    return tree.kind == SpTree::Kind::kSeries ? tree.children : Items{tree};
  }
  static unsigned set_of(const Items& items, std::size_t begin, std::size_t end) {
    unsigned set = 0;
    for (std::size_t i = begin; i < end; ++i) {
      for (const int op : operators_below(items[i])) set |= 1U << op;
    }
    return set;
  }
  static Items between(const Items& items, std::size_t begin, std::size_t end) {
    return {items.begin() + static_cast<std::ptrdiff_t>(begin),
            items.begin() + static_cast<std::ptrdiff_t>(end)};
  }
  std::size_t pick(std::size_t first, std::size_t last) {
    return static_cast<std::size_t>(
        rng_.integer(static_cast<std::int64_t>(first), static_cast<std::int64_t>(last)));
  }

  // Takes some of the branches, at least one, and puts them one after the other.
  Items bundle(Items& branches) {
    Items joined;
    for (std::size_t count = pick(1, branches.size()); count > 0; --count) {
      const std::size_t b = pick(0, branches.size() - 1);
      const Items more = items_of(branches[b]);
      joined.insert(joined.end(), more.begin(), more.end());
      branches.erase(branches.begin() + static_cast<std::ptrdiff_t>(b));
    }
    return joined;
  }

  // From the last item to the first; `head` is what the next stage has to take along.
  void sequence(const Items& items) {
    unsigned head = 0;
    for (std::size_t place = items.size(); place > 0;) {
      const auto is_fork = [&](std::size_t i) { return items[i].kind == SpTree::Kind::kParallel; };
      if (head == 0 && is_fork(place - 1) && rng_.chance(0.6)) {
        head = fork(items[place - 1].children, {}, 0, place > 1);
        --place;
        continue;
      }
      const bool may_be_empty = head != 0 && is_fork(place - 1);
      const std::size_t begin = pick(0, may_be_empty ? place : place - 1);
      unsigned stage = head | set_of(items, begin, place);
      head = 0;
      const bool cuts = begin > 0 && is_fork(begin - 1) && (begin == place || rng_.chance(0.6));
      if (!cuts) {
        stages_.push_back(stage);
        place = begin;
        continue;
      }
      Items branches = items[begin - 1].children;
      const Items tail = bundle(branches);
      const std::size_t cut = pick(branches.empty() ? 1 : 0, tail.size() - 1);
      stages_.push_back(stage | set_of(tail, cut, tail.size()));
      head = fork(branches, tail, cut, begin > 1);
      place = begin - 1;
    }
  }

  // Stages of all branches and of the first `cut` items of `tail`; returns what of them the stage
  // before the fork takes.
  unsigned fork(Items branches, const Items& tail, std::size_t cut, bool may_cut) {
    unsigned head = 0;
    std::size_t begin = 0;
    if (may_cut && cut > 0 && rng_.chance(0.3)) {
      begin = pick(1, cut);
      head = set_of(tail, 0, begin);
    } else if (may_cut && !branches.empty() && rng_.chance(0.5)) {
      const bool is_all = tail.empty();
      Items taken = bundle(branches);
      const std::size_t most = is_all && branches.empty() ? taken.size() - 1 : taken.size();
      if (most == 0) {
        sequence(taken);
      } else {
        const std::size_t end = pick(1, most);
        head = set_of(taken, 0, end);
        if (end < taken.size()) sequence(between(taken, end, taken.size()));
      }
    }
    if (begin < cut) sequence(between(tail, begin, cut));
    while (!branches.empty()) sequence(bundle(branches));
    return head;
  }

  Rng& rng_;
  std::vector<unsigned> stages_;
};

}  // namespace lamina::pipeline::test
