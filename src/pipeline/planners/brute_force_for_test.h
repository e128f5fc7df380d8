// For tests: the best plan of small networks, among all partitions whose stage graph has no cycle.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "pipeline/planners/graphpipe_price.h"

namespace lamina::pipeline::test {

// Predicted seconds of all plans with this micro-batch.
class BruteForce {
 public:
  // Stages wait for each other along `edges`.
  BruteForce(const Computation& network, const Pricing& pricing, std::vector<Edge> edges)
      : pricing_(pricing), edges_(std::move(edges)) {
    const int count = static_cast<int>(network.operators.size());
    for (unsigned set = 0; set < 1U << count; ++set) {
      std::vector<int> operators;
      for (int i = 0; i < count; ++i) {
        if ((set >> i & 1U) != 0) operators.push_back(i);
      }
      shapes_.push_back(shape_of(network, operators));
    }
  }
  BruteForce(const Computation& network, const Pricing& pricing)
      : BruteForce(network, pricing, network.edges) {}

  // Calls `use` with every partition into sets of operators, and with the seconds of its best plan:
  // infinite where it does not fit the memory.
  using Use = std::function<void(const std::vector<unsigned>&, double)>;
  void for_each(const Use& use) { part(0, use); }

  double best() {
    double least = std::numeric_limits<double>::infinity();
    for_each(
        [&](const std::vector<unsigned>&, double seconds) { least = std::min(least, seconds); });
    return least;
  }

 private:
  // Puts operator `next` into every stage, and into a new one.
  void part(int next, const Use& use) {
    if (shapes_.size() == std::size_t{1} << next) {
      if (judge()) use(stages_, best_);
      return;
    }
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      stages_[s] |= 1U << next;
      part(next + 1, use);
      stages_[s] &= ~(1U << next);
    }
    if (static_cast<int>(stages_.size()) == pricing_.devices().count) return;
    stages_.push_back(1U << next);
    part(next + 1, use);
    stages_.pop_back();
  }

  std::size_t stage_of(int op) const {
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      if ((stages_[s] >> op & 1U) != 0) return s;
    }
    return stages_.size();
  }

  // False where the stage graph has a cycle.
  bool judge() {
    best_ = std::numeric_limits<double>::infinity();
    after_.assign(stages_.size(), {});
    for (const Edge& edge : edges_) {
      const std::size_t from = stage_of(edge.from), to = stage_of(edge.to);
      if (from != to) after_[from].push_back(to);
    }
    heights_.assign(stages_.size(), 0);
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      if (height(s) < 0) return false;
    }
    modes_.assign(stages_.size(), {});
    choose(0, pricing_.devices().count);
    return true;
  }

  // Stages on the longest path to a sink; -1: there is a cycle.
  int height(std::size_t s) {
    constexpr int kOpen = -1;
    if (heights_[s] != 0) return heights_[s];
    heights_[s] = kOpen;
    int most = 0;
    for (const std::size_t to : after_[s]) {
      const int other = height(to);
      if (other < 0) return -1;
      most = std::max(most, other);
    }
    return heights_[s] = most + 1;
  }

  // Gives devices to stage `s` and those after it in the list.
  void choose(std::size_t s, int devices) {
    if (s == stages_.size()) {
      predict();
      return;
    }
    for (const int degree : pricing_.degrees()) {
      if (degree + static_cast<int>(stages_.size() - s) - 1 > devices) break;
      const auto mode = pricing_.fastest(shapes_[stages_[s]], degree, heights_[s],
                                         pricing_.devices().memory_bytes);
      if (!mode) continue;
      modes_[s] = *mode;
      choose(s + 1, devices - degree);
    }
  }

  void predict() {
    Paths longest;
    double bottleneck = 0.0;
    std::vector<std::optional<Paths>> paths(stages_.size());
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      longest = longest.beside(path(s, paths));
      bottleneck =
          std::max(bottleneck, pricing_.price(shapes_[stages_[s]], modes_[s]).bottleneck_s);
    }
    const double predicted = pricing_.predict(longest.all_s, bottleneck);
    best_ = std::min(best_, predicted);
  }

  Paths path(std::size_t s, std::vector<std::optional<Paths>>& paths) const {
    if (paths[s]) return *paths[s];
    Paths longest;
    for (const std::size_t to : after_[s]) longest = longest.beside(path(to, paths));
    paths[s] = longest.behind(pricing_.price(shapes_[stages_[s]], modes_[s]));
    return *paths[s];
  }

  const Pricing& pricing_;
  std::vector<Edge> edges_;
  std::vector<Shape> shapes_;  // by set of operators
  std::vector<unsigned> stages_;
  std::vector<std::vector<std::size_t>> after_;
  std::vector<int> heights_;
  std::vector<StageMode> modes_;
  double best_ = 0.0;  // of the partition
};

}  // namespace lamina::pipeline::test
