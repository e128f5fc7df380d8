// The loops around the dynamic programme: views of the cluster, trees of the network,
// micro-batches, bounds of the bottleneck.
#include "pipeline/planners/graphpipe_candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "pipeline/planners.h"
#include "pipeline/planners/graphpipe_place.h"
#include "pipeline/planners/graphpipe_search.h"
#include "pipeline/planners/series_parallel.h"

namespace lamina::pipeline {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

DeviceView view_of(const Cluster& cluster, std::vector<int> devices) {
  DeviceView view{std::move(devices), {}};
  EqualDevices& equal = view.equal;
  equal.count = static_cast<int>(view.devices.size());
  equal.speed = equal.memory_bytes = kNever;
  equal.inside = equal.edges = cluster.inside;
  equal.between = cluster.between;
  std::map<int, int> nodes;
  for (const int device : view.devices) {
    const DeviceSpec& spec = cluster.devices[static_cast<std::size_t>(device)];
    equal.speed = std::min(equal.speed, spec.speed);
    equal.memory_bytes = std::min(equal.memory_bytes, spec.memory_bytes);
    ++nodes[spec.node];
  }
  equal.per_node = equal.count;
  for (const auto& [node, count] : nodes) equal.per_node = std::min(equal.per_node, count);
  return view;
}

// The tree without what makes the search slow and plans hardly better: with forks in a line that
// take less than two devices' share of the time or less than 1/16, and with at most so many leaves,
// of neighbours that take little.
SpTree in_pieces(const Computation& computation, const SpTree& tree, int devices) {
  constexpr int kFew = 24, kMany = 512, kOfDevice = 16;
  if (count_leaves(tree) <= kFew) return tree;
  double total = 0.0;
  for (const Operator& op : computation.operators) {
    total += op.forward_s + op.input_gradient_s + op.weight_gradient_s + op.fixed_s;
  }
  const SpTree fine =
      without_small_forks(computation, tree, total * std::max(2.0 / devices, 1.0 / 16.0));
  const int most = std::clamp(kOfDevice * devices, 4 * kFew, kMany);
  double grain_s = total / (4.0 * most);
  SpTree pieces = fine;
  for (; count_leaves(pieces) > most && grain_s > 0.0; grain_s *= 1.5) {
    pieces = coarsen(computation, fine, grain_s);
  }
  return pieces;
}

// One tree for one view.
class Scan {
 public:
  Scan(const Computation& computation, const Cluster& cluster, const PlanOptions& options,
       const DeviceView& view)
      : computation_(computation), cluster_(cluster), options_(options), view_(view) {}

  // Adds what it finds. All bounds of the bottleneck that may lead to a better plan are tried, from
  // the loosest on: the shortest path only grows as the bound falls, so between two bounds nothing
  // is missed.
  void run(Space& space, int micro_batch, double margin, const Deadline& deadline) {
    const Pricing pricing(computation_, view_.equal, options_, micro_batch);
    StageSearch search(space, pricing, deadline);
    const Sequence& root = space.sequence(space.root());
    const double least_s = pricing.device_seconds(root.before.back()) / view_.equal.count;
    double path_s = pricing.least_seconds(root.path_before.back());
    double own_best_s = kNever;
    StageSearch::Limits limits{kNever, kNever, kNever};
    const int others = pricing.micro_batches() - 1;
    while (limits.memory_bytes >= kLeastMemory * view_.equal.memory_bytes) {
      // What may still be better than the best with this micro-batch, and nearly as good as all.
      const double wanted_s = std::min(own_best_s, (1.0 + margin) * best_s_);
      if (others > 0) {
        limits.bottleneck_s = std::min(limits.bottleneck_s, (wanted_s - path_s) / others);
      }
      limits.path_s = wanted_s - others * least_s;
      if (limits.bottleneck_s < least_s) break;
      const auto chosen = search.shortest(limits);
      if (!chosen) break;
      Plan plan =
          place({computation_, cluster_, options_, view_.devices}, chosen->stages, micro_batch);
      if (!fits(computation_, cluster_, plan)) {
        // Messages wait for longer than in a chain: what is allowed becomes less.
        const bool bounded = limits.memory_bytes < kNever;
        limits.memory_bytes = bounded ? 0.9 * limits.memory_bytes : view_.equal.memory_bytes;
        continue;
      }
      const double predicted = pricing.predict(chosen->path_s, chosen->bottleneck_s);
      own_best_s = std::min(own_best_s, predicted);
      best_s_ = std::min(best_s_, predicted);
      found_.push_back({predicted, std::move(plan)});
      path_s = chosen->path_s;
      limits.bottleneck_s = std::nextafter(chosen->bottleneck_s, 0.0);
      if (others == 0) break;
    }
    states_ += search.labels();
  }

  std::vector<Candidate> take() { return std::move(found_); }
  std::int64_t states() const { return states_; }

 private:
  static constexpr double kLeastMemory = 0.3;

  const Computation& computation_;
  const Cluster& cluster_;
  const PlanOptions& options_;
  const DeviceView& view_;
  std::vector<Candidate> found_;
  double best_s_ = kNever;
  std::int64_t states_ = 0;
};

}  // namespace

std::vector<DeviceView> device_views(const Cluster& cluster) {
  std::set<std::pair<double, double>> kinds;  // speed and memory
  for (const DeviceSpec& device : cluster.devices) kinds.emplace(device.speed, device.memory_bytes);
  std::set<std::vector<int>> sets;
  for (const auto& [speed, memory] : kinds) {
    std::vector<int> fast, large;
    for (std::size_t d = 0; d < cluster.devices.size(); ++d) {
      if (cluster.devices[d].speed >= speed) fast.push_back(static_cast<int>(d));
      if (cluster.devices[d].memory_bytes >= memory) large.push_back(static_cast<int>(d));
    }
    sets.insert(std::move(fast));
    sets.insert(std::move(large));
  }
  std::vector<DeviceView> views;
  for (const std::vector<int>& devices : sets) {
    views.push_back(view_of(cluster, devices));
    if (views.back().equal.per_node == views.back().equal.count) continue;
    if (cluster.between == cluster.inside) continue;
    views.push_back(views.back());
    views.back().equal.edges = cluster.between;
  }
  return views;
}

Candidates find_candidates(const Computation& computation, const Cluster& cluster,
                           const PlanOptions& options, const Deadline& deadline, double margin) {
  const SpTree line = line_of(computation);
  const SpTree tree = decompose(computation, Untangle::kStrata).tree;
  Candidates result;
  for (const DeviceView& view : device_views(cluster)) {
    Scan scan(computation, cluster, options, view);
    for (const SpTree& whole : {line, tree}) {
      const SpTree pieces = in_pieces(computation, whole, view.equal.count);
      Space space(computation, pieces, splits(options.schedule));
      for (const int size : micro_batches(options)) scan.run(space, size, margin, deadline);
    }
    for (Candidate& candidate : scan.take()) result.list.push_back(std::move(candidate));
    result.states += scan.states();
  }
  std::stable_sort(result.list.begin(), result.list.end(),
                   [](const auto& a, const auto& b) { return a.predicted_s < b.predicted_s; });
  result.stopped = deadline.passed();
  return result;
}

}  // namespace lamina::pipeline
