// Greedy best fit by size. Within a few percent of the best packing on networks; an exact one is
// NP-hard (dynamic storage allocation).
#include "exec/lower/arena.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace lamina::lower {
namespace {

constexpr std::int64_t kAlignment = 64;

struct Placed {
  std::int64_t begin;
  std::int64_t end;
};

// The begin of the smallest gap of at least `bytes` between the sorted `busy` ranges.
std::int64_t best_gap(const std::vector<Placed>& busy, std::int64_t bytes) {
  std::int64_t best = -1;
  std::int64_t best_size = std::numeric_limits<std::int64_t>::max();
  std::int64_t free_from = 0;
  for (const Placed& range : busy) {
    const std::int64_t gap = range.begin - free_from;
    if (gap >= bytes && gap < best_size) {
      best = free_from;
      best_size = gap;
    }
    free_from = std::max(free_from, range.end);
  }
  return best >= 0 ? best : free_from;
}

}  // namespace

ArenaPlan plan_arena(std::span<const Lifetime> lifetimes) {
  std::vector<std::size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return lifetimes[a].bytes > lifetimes[b].bytes;
  });
  ArenaPlan plan;
  plan.offsets.assign(lifetimes.size(), 0);
  std::vector<std::size_t> placed;
  for (const std::size_t i : order) {
    const Lifetime& life = lifetimes[i];
    const std::int64_t bytes = (life.bytes + kAlignment - 1) / kAlignment * kAlignment;
    std::vector<Placed> busy;
    for (const std::size_t k : placed) {
      const Lifetime& other = lifetimes[k];
      if (other.last < life.first || life.last < other.first) continue;
      const std::int64_t size = (other.bytes + kAlignment - 1) / kAlignment * kAlignment;
      busy.push_back({plan.offsets[k], plan.offsets[k] + size});
    }
    std::sort(busy.begin(), busy.end(),
              [](const Placed& a, const Placed& b) { return a.begin < b.begin; });
    plan.offsets[i] = best_gap(busy, bytes);
    plan.bytes = std::max(plan.bytes, plan.offsets[i] + bytes);
    placed.push_back(i);
  }
  return plan;
}

}  // namespace lamina::lower
