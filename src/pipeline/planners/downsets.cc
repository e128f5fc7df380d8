// Growing downsets from the empty one, and what crosses their borders.
#include "pipeline/planners/downsets.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <unordered_set>

namespace lamina::pipeline {
namespace {

std::uint64_t bit(int node) { return std::uint64_t{1} << (node % 64); }
std::size_t word_of(int node) { return static_cast<std::size_t>(node) / 64; }

// Sets are told apart by their words in the list that grows.
struct SetHash {
  const std::vector<std::uint64_t>& words;
  std::size_t width;

  std::size_t operator()(std::size_t set) const {
    std::uint64_t hash = 0x9e3779b97f4a7c15ULL;
    for (std::size_t w = 0; w < width; ++w) {
      hash = (hash ^ words[set * width + w]) * 0xff51afd7ed558ccdULL;
      hash ^= hash >> 32;
    }
    return hash;
  }
};
struct SetEqual {
  const std::vector<std::uint64_t>& words;
  std::size_t width;

  bool operator()(std::size_t a, std::size_t b) const {
    return std::equal(&words[a * width], &words[a * width] + width, &words[b * width]);
  }
};

}  // namespace

// Sets come out by size, since each is found from one that is smaller by a node.
Downsets::Downsets(int nodes, const std::vector<std::pair<int, int>>& edges, int limit,
                   const Deadline& deadline)
    : nodes_(nodes), width_(static_cast<std::size_t>(nodes + 63) / 64) {
  std::vector<std::vector<int>> before(static_cast<std::size_t>(nodes));
  for (const auto& [from, to] : edges) before[static_cast<std::size_t>(to)].push_back(from);
  words_.assign(width_, 0);
  std::unordered_set<std::size_t, SetHash, SetEqual> known(16, SetHash{words_, width_},
                                                           SetEqual{words_, width_});
  known.insert(0);
  for (int set = 0; set < size(); ++set) {
    if (set % 256 == 0 && deadline.passed()) {
      reason_ = fmt::format("stopped after {} s, with {} downsets", deadline.limit_s(), size());
      return;
    }
    for (int node = 0; node < nodes; ++node) {
      const std::vector<int>& needs = before[static_cast<std::size_t>(node)];
      const auto there = [&](int each) { return has(set, each); };
      if (has(set, node) || !std::all_of(needs.begin(), needs.end(), there)) continue;
      const std::size_t added = words_.size() / width_;
      words_.resize(words_.size() + width_);
      std::copy_n(words_.data() + static_cast<std::size_t>(set) * width_, width_,
                  words_.data() + added * width_);
      words_[added * width_ + word_of(node)] |= bit(node);
      if (!known.insert(added).second) words_.resize(words_.size() - width_);
    }
    if (size() > limit) {
      reason_ = fmt::format("the network has more than {} downsets", limit);
      return;
    }
  }
}

std::vector<int> Downsets::between(int inner, int outer) const {
  std::vector<int> result;
  for (std::size_t w = 0; w < width_; ++w) {
    for (std::uint64_t left = word(outer, w) & ~word(inner, w); left != 0; left &= left - 1) {
      result.push_back(static_cast<int>(w * 64) + std::countr_zero(left));
    }
  }
  return result;
}

std::vector<double> Downsets::sums(const std::vector<double>& values) const {
  std::vector<double> result(static_cast<std::size_t>(size()), 0.0);
  for (int set = 0; set < size(); ++set) {
    for (const int node : between(0, set)) {
      result[static_cast<std::size_t>(set)] += values[static_cast<std::size_t>(node)];
    }
  }
  return result;
}

Crossings::Crossings(const Downsets& sets, const std::vector<Flow>& flows) : sets_(sets) {
  const std::size_t width = sets.width();
  crossing_.resize(static_cast<std::size_t>(sets.size()));
  border_.assign(static_cast<std::size_t>(sets.size()), 0.0);
  for (const Flow& flow : flows) {
    const std::size_t at = members_.size();
    members_.resize(at + width);
    members_[at + word_of(flow.producer)] |= bit(flow.producer);
    for (const int to : flow.consumers) members_[at + word_of(to)] |= bit(to);
    for (int set = 0; set < sets.size(); ++set) {
      bool some = false, all = true;
      for (std::size_t w = 0; w < width; ++w) {
        some = some || (members_[at + w] & sets.bits(set)[w]) != 0;
        all = all && (members_[at + w] & ~sets.bits(set)[w]) == 0;
      }
      if (!some || all) continue;
      crossing_[static_cast<std::size_t>(set)].push_back({at, flow.producer, flow.cost});
      border_[static_cast<std::size_t>(set)] += flow.cost;
    }
  }
}

// What crosses a stage's border crosses that of one of its two sets. Of what crosses the outer one,
// all that touches the stage crosses the stage's. Of what crosses the inner one and not the outer
// one, which is all inside the outer one, everything does.
Crossings::Cost Crossings::of_stage(int inner, int outer) const {
  const std::size_t width = sets_.width();
  const std::uint64_t* inside = sets_.bits(inner);
  const std::uint64_t* around = sets_.bits(outer);
  Cost cost;
  for (const Crossing& each : crossing_[static_cast<std::size_t>(outer)]) {
    bool touches = false;
    for (std::size_t w = 0; w < width; ++w) {
      touches = touches || (members_[each.members + w] & around[w] & ~inside[w]) != 0;
    }
    if (!touches) continue;
    const bool made_here = sets_.has(outer, each.producer) && !sets_.has(inner, each.producer);
    (made_here ? cost.out : cost.in) += each.cost;
  }
  for (const Crossing& each : crossing_[static_cast<std::size_t>(inner)]) {
    bool all = true;
    for (std::size_t w = 0; w < width; ++w) {
      all = all && (members_[each.members + w] & ~around[w]) == 0;
    }
    if (all) (sets_.has(inner, each.producer) ? cost.in : cost.out) += each.cost;
  }
  return cost;
}

}  // namespace lamina::pipeline
