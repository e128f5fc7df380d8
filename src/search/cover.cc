// Dynamic programming over sets of done nodes, in levels of equally many.
#include "search/cover.h"

#include <algorithm>
#include <unordered_map>

namespace lamina::search {
namespace {

constexpr std::size_t kAlone = static_cast<std::size_t>(-1);

struct BitsHash {
  std::size_t operator()(const Bits& bits) const { return bits.hash(); }
};

// How a state was reached: from which, through which candidate (kAlone: a single node).
struct Step {
  std::size_t from = 0;
  std::size_t candidate = kAlone;
};

struct State {
  double saving = 0.0;
  std::size_t regions = 0;
  Step step;

  // Sums of the same savings in another order differ in their last digits.
  bool better_than(const State& other) const {
    const double slack = 1e-12 * std::max(saving, other.saving);
    if (saving > other.saving + slack) return true;
    return saving >= other.saving - slack && regions < other.regions;
  }
};

// The states with equally many nodes done, in the order in which they were reached.
struct Level {
  std::vector<Bits> done;
  std::vector<State> states;
  std::unordered_map<Bits, std::size_t, BitsHash> known;

  void offer(const Bits& bits, const State& state) {
    const auto [entry, fresh] = known.try_emplace(bits, states.size());
    if (fresh) {
      done.push_back(bits);
      states.push_back(state);
    } else if (state.better_than(states[entry->second])) {
      states[entry->second] = state;
    }
  }
};

class Chooser {
 public:
  Chooser(const Precedence& order, std::span<const CoverCandidate> candidates, std::size_t beam)
      : order_(order),
        candidates_(candidates),
        beam_(beam),
        containing_(order.size()),
        outside_(candidates.size()) {
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      const std::vector<std::size_t>& nodes = candidates[c].nodes;
      if (candidates[c].saving <= 0.0) continue;
      for (const std::size_t n : nodes) {
        containing_[n].push_back(c);
        for (const std::size_t p : order.producers(n)) {
          if (!std::binary_search(nodes.begin(), nodes.end(), p)) outside_[c].push_back(p);
        }
      }
    }
  }

  Cover run() {
    const std::size_t count = order_.size();
    std::vector<Level> levels(count + 1);
    levels[0].offer(Bits(count), {});
    for (std::size_t n = 0; n < count; ++n) {
      const std::vector<std::size_t> kept = within_beam(levels[n]);
      for (const std::size_t s : kept) {
        steps_.push_back(levels[n].states[s].step);
        expand(levels, n, s);
      }
      levels[n] = Level();
    }
    return trace(levels[count].states.at(0));
  }

 private:
  std::vector<std::size_t> within_beam(const Level& level) {
    std::vector<std::size_t> kept(level.states.size());
    for (std::size_t s = 0; s < kept.size(); ++s) kept[s] = s;
    if (kept.size() <= beam_) return kept;
    exact_ = false;
    std::stable_sort(kept.begin(), kept.end(), [&](std::size_t x, std::size_t y) {
      return level.states[x].saving > level.states[y].saving;
    });
    kept.resize(beam_);
    return kept;
  }

  bool is_free(const CoverCandidate& candidate, const Bits& done) const {
    return std::none_of(candidate.nodes.begin(), candidate.nodes.end(),
                        [&](std::size_t n) { return done.has(n); });
  }

  // The first node that must be done before the candidate can be, or `none`.
  std::size_t first_missing(std::size_t candidate, const Bits& done) const {
    std::size_t first = order_.size();
    for (const std::size_t p : outside_[candidate]) {
      if (done.has(p)) continue;
      first = std::min({first, p, done.first_missing(order_.before(p), order_.size())});
    }
    return first;
  }

  // Every solution contains a region around the first node that is not done. If that region waits
  // for others, the first node that it waits for is in a region that comes earlier, and so on until
  // one does not wait: that one may as well be next. So only regions around these nodes are tried.
  void expand(std::vector<Level>& levels, std::size_t level, std::size_t s) {
    const Bits done = levels[level].done[s];
    const State state = levels[level].states[s];
    const std::size_t number = steps_.size() - 1;
    std::vector<std::size_t> around;
    for (std::size_t n = 0; around.empty(); ++n) {
      if (!done.has(n)) around.push_back(n);
    }
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < around.size(); ++i) {
      reach(levels, level + 1, done, {around[i]}, {state.saving, state.regions, {number, kAlone}});
      for (const std::size_t c : containing_[around[i]]) {
        if (!is_free(candidates_[c], done)) continue;
        const std::size_t missing = first_missing(c, done);
        if (missing == order_.size()) {
          ready.push_back(c);
        } else if (std::find(around.begin(), around.end(), missing) == around.end()) {
          around.push_back(missing);
        }
      }
    }
    std::sort(ready.begin(), ready.end());
    ready.erase(std::unique(ready.begin(), ready.end()), ready.end());
    for (const std::size_t c : ready) {
      const CoverCandidate& candidate = candidates_[c];
      reach(levels, level + candidate.nodes.size(), done, candidate.nodes,
            {state.saving + candidate.saving, state.regions + 1, {number, c}});
    }
  }

  static void reach(std::vector<Level>& levels, std::size_t level, Bits done,
                    const std::vector<std::size_t>& nodes, const State& state) {
    for (const std::size_t n : nodes) done.insert(n);
    levels[level].offer(done, state);
  }

  Cover trace(const State& last) const {
    Cover cover;
    cover.saving = last.saving;
    cover.exact = exact_;
    for (Step step = last.step; !steps_.empty(); step = steps_[step.from]) {
      if (step.candidate != kAlone) cover.chosen.push_back(step.candidate);
      if (step.from == 0) break;
    }
    std::sort(cover.chosen.begin(), cover.chosen.end());
    return cover;
  }

  const Precedence& order_;
  std::span<const CoverCandidate> candidates_;
  std::size_t beam_;
  std::vector<std::vector<std::size_t>> containing_;  // candidates, by node
  std::vector<std::vector<std::size_t>> outside_;     // producers outside, by candidate
  std::vector<Step> steps_;
  bool exact_ = true;
};

}  // namespace

Cover choose_cover(const Precedence& order, std::span<const CoverCandidate> candidates,
                   std::size_t beam) {
  return Chooser(order, candidates, beam).run();
}

}  // namespace lamina::search
