// The choice among candidates is the best of all choices, and never one that cannot run.
#include "search/cover.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "base/rng.h"

using namespace lamina;
using namespace lamina::search;

namespace {

std::size_t draw(Rng& rng, std::size_t below) {
  return static_cast<std::size_t>(rng.integer(0, static_cast<std::int64_t>(below) - 1));
}

Precedence random_order(Rng& rng, std::size_t nodes) {
  std::vector<std::vector<std::size_t>> producers(nodes);
  for (std::size_t n = 1; n < nodes; ++n) {
    std::set<std::size_t> reads;
    for (std::size_t k = draw(rng, 3); k-- > 0;) reads.insert(draw(rng, n));
    producers[n].assign(reads.begin(), reads.end());
  }
  return Precedence(std::move(producers));
}

std::vector<CoverCandidate> random_candidates(Rng& rng, const Precedence& order) {
  std::set<std::vector<std::size_t>> sets;
  for (int i = 0; i < 12; ++i) {
    std::vector<std::size_t> nodes;
    for (std::size_t k = 2 + draw(rng, 2); k-- > 0;) nodes.push_back(draw(rng, order.size()));
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    sets.insert(order.convex_hull(nodes));
  }
  std::vector<CoverCandidate> candidates;
  for (const auto& nodes : sets) {
    candidates.push_back({nodes, static_cast<double>(draw(rng, 20)) - 4.0});
  }
  return candidates;
}

// By definition: the graph of the regions and of the nodes in none has no cycle.
bool can_run(const Precedence& order, const std::vector<std::vector<std::size_t>>& regions) {
  std::vector<std::size_t> owner(order.size());
  for (std::size_t n = 0; n < owner.size(); ++n) owner[n] = n;
  for (const auto& region : regions) {
    for (const std::size_t n : region) owner[n] = region.front();
  }
  const std::size_t count = order.size();
  std::vector<std::vector<bool>> reaches(count, std::vector<bool>(count, false));
  for (std::size_t n = 0; n < count; ++n) {
    for (const std::size_t p : order.producers(n)) {
      if (owner[p] != owner[n]) reaches[owner[p]][owner[n]] = true;
    }
  }
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < count; ++j) {
        if (reaches[i][k] && reaches[k][j]) reaches[i][j] = true;
      }
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (reaches[i][i]) return false;
  }
  return true;
}

bool is_disjoint(const std::vector<std::vector<std::size_t>>& regions) {
  std::set<std::size_t> seen;
  for (const auto& region : regions) {
    for (const std::size_t n : region) {
      if (!seen.insert(n).second) return false;
    }
  }
  return true;
}

double best_by_trying_all(const Precedence& order, const std::vector<CoverCandidate>& candidates) {
  double best = 0.0;
  for (std::size_t subset = 0; subset < (std::size_t{1} << candidates.size()); ++subset) {
    std::vector<std::vector<std::size_t>> regions;
    double saving = 0.0;
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      if ((subset >> c & 1U) == 0) continue;
      regions.push_back(candidates[c].nodes);
      saving += candidates[c].saving;
    }
    if (saving > best && is_disjoint(regions) && can_run(order, regions)) best = saving;
  }
  return best;
}

}  // namespace

TEST_CASE("the cover saves as much as the best of all subsets") {
  int chosen = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    const Precedence order = random_order(rng, 4 + draw(rng, 8));
    const std::vector<CoverCandidate> candidates = random_candidates(rng, order);
    const Cover cover = choose_cover(order, candidates, 10000);
    REQUIRE(cover.exact);
    CHECK(cover.saving == doctest::Approx(best_by_trying_all(order, candidates)));
    std::vector<std::vector<std::size_t>> regions;
    double saving = 0.0;
    for (const std::size_t c : cover.chosen) {
      regions.push_back(candidates[c].nodes);
      saving += candidates[c].saving;
    }
    CHECK(saving == doctest::Approx(cover.saving));
    CHECK(is_disjoint(regions));
    CHECK(can_run(order, regions));
    chosen += static_cast<int>(regions.size());
  }
  CHECK(chosen > 300);
}

TEST_CASE("two regions that wait for each other are not chosen together") {
  // 0 -> 2 and 1 -> 3; {0, 3} and {1, 2} each wait for the other.
  const Precedence order({{}, {}, {0}, {1}});
  const std::vector<CoverCandidate> candidates = {{{0, 3}, 5.0}, {{1, 2}, 4.0}};
  const Cover cover = choose_cover(order, candidates, 100);
  CHECK(cover.chosen == std::vector<std::size_t>{0});
  CHECK(cover.saving == 5.0);
}

TEST_CASE("of equal savings the fewest regions are chosen") {
  const Precedence order({{}, {0}, {1}, {2}});
  const std::vector<CoverCandidate> candidates = {
      {{0, 1}, 1.0}, {{2, 3}, 2.0}, {{0, 1, 2, 3}, 3.0}};
  CHECK(choose_cover(order, candidates, 100).chosen == std::vector<std::size_t>{2});
}

TEST_CASE("a narrow beam is reported, and what it finds can run") {
  Rng rng(5);
  // Long chains side by side with regions across them: many sets may be done at a moment.
  std::vector<std::vector<std::size_t>> producers(40);
  for (std::size_t n = 4; n < producers.size(); ++n) producers[n] = {n - 4};
  const Precedence order(std::move(producers));
  std::vector<CoverCandidate> candidates;
  for (int i = 0; i < 60; ++i) {
    const std::size_t a = draw(rng, 36);
    const std::vector<std::size_t> nodes =
        order.convex_hull({a, std::min<std::size_t>(39, a + 1 + draw(rng, 6))});
    candidates.push_back({nodes, 1.0 + static_cast<double>(draw(rng, 9))});
  }
  const Cover wide = choose_cover(order, candidates, 1000000);
  const Cover narrow = choose_cover(order, candidates, 2);
  CHECK(wide.exact);
  CHECK_FALSE(narrow.exact);
  CHECK(narrow.saving <= wide.saving);
  CHECK(narrow.saving > 0.0);
  std::vector<std::vector<std::size_t>> regions;
  for (const std::size_t c : narrow.chosen) regions.push_back(candidates[c].nodes);
  CHECK(is_disjoint(regions));
  CHECK(can_run(order, regions));
}
