// Finds equal layers by comparing nodes at a distance.
#include "draw/repeats.h"

#include <algorithm>
#include <map>

namespace lamina::draw {
namespace {

constexpr std::size_t kMinPeriod = 4;  // shorter runs are as easy to read written out
constexpr std::size_t kMaxPeriod = 400;
constexpr std::size_t kMinTimes = 3;

class RepeatFinder {
 public:
  RepeatFinder(const Graph& graph, const std::vector<NodeId>& ids)
      : graph_(graph), ids_(ids), hashes_(ids.size()) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      position_[ids[i]] = i;
      for (const Graph& inner : node(i).graphs) hashes_[i] += structure_hash(inner);
    }
  }

  // The nodes at `i` and `i + period` are the same step of two layers.
  bool same_step(std::size_t i, std::size_t period) const {
    const Node& a = node(i);
    const Node& b = node(i + period);
    return a.op == b.op && a.attrs == b.attrs && a.types == b.types &&
           a.inputs.size() == b.inputs.size() && hashes_[i] == hashes_[i + period];
  }

  bool same_reads(std::size_t i, std::size_t period) const {
    for (std::size_t k = 0; k < node(i).inputs.size(); ++k) {
      if (!same_read(node(i).inputs[k], node(i + period).inputs[k], period)) return false;
    }
    return true;
  }

 private:
  const Node& node(std::size_t i) const { return graph_.nodes[static_cast<std::size_t>(ids_[i])]; }

  bool same_read(Value a, Value b, std::size_t period) const {
    if (a == b) return true;
    const auto at_a = position_.find(a.node);
    const auto at_b = position_.find(b.node);
    if (at_a != position_.end() && at_b != position_.end()) {
      return a.output == b.output && at_b->second == at_a->second + period;
    }
    const Input* input_a = graph_.input(a.node);
    const Input* input_b = graph_.input(b.node);
    return input_a != nullptr && input_b != nullptr && input_a->role == Role::kWeight &&
           input_b->role == Role::kWeight && graph_.type(a) == graph_.type(b);
  }

  const Graph& graph_;
  const std::vector<NodeId>& ids_;
  std::vector<std::string> hashes_;  // of the inner graphs of each node
  std::map<NodeId, std::size_t> position_;
};

// Per node: how many from it on are the same step as those `period` later, and read the same way
// except for the first layer, which may read other things than the later ones do.
std::vector<std::size_t> run_lengths(const RepeatFinder& finder, std::size_t period,
                                     std::size_t count) {
  std::vector<std::size_t> steps(count + 1);
  std::vector<std::size_t> reads(count + 1);
  for (std::size_t i = count - period; i-- > 0;) {
    if (!finder.same_step(i, period)) continue;
    steps[i] = steps[i + 1] + 1;
    if (finder.same_reads(i, period)) reads[i] = reads[i + 1] + 1;
  }
  std::vector<std::size_t> lengths(count);
  for (std::size_t i = 0; i < count; ++i) {
    lengths[i] = steps[i] < period ? steps[i] : period + reads[i + period];
  }
  return lengths;
}

}  // namespace

Repeat find_repeat(const Graph& graph, const std::vector<NodeId>& ids) {
  const RepeatFinder finder(graph, ids);
  Repeat best;
  std::size_t saved = 0;
  for (std::size_t period = kMinPeriod; period <= std::min(kMaxPeriod, ids.size() / kMinTimes);
       ++period) {
    const std::vector<std::size_t> lengths = run_lengths(finder, period, ids.size());
    for (std::size_t i = 0; i + kMinTimes * period <= ids.size(); ++i) {
      const std::size_t times = lengths[i] / period + 1;
      if (times < kMinTimes || (times - 1) * period <= saved) continue;
      best = {i, period, times};
      saved = (times - 1) * period;
    }
  }
  return best;
}

}  // namespace lamina::draw
