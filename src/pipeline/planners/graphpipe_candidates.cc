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

// Networks of at most so many operators are searched without approximations.
constexpr int kFew = 24;
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
  constexpr int kMany = 512, kOfDevice = 16;
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

  // Adds what it finds with this micro-batch.
  void run(Space& space, int micro_batch, double margin, const Deadline& deadline) {
    const Pricing pricing(computation_, view_.equal, options_, micro_batch);
    StageSearch search(space, pricing, deadline);
    const Sequence& root = space.sequence(space.root());
    others_ = pricing.micro_batches() - 1;
    floor_s_ = pricing.device_seconds(root.before.back()) / view_.equal.count;
    wanted_s_ = (1.0 + margin) * best_s_;
    memory_bytes_ = kNever;
    is_exact_ = space.pieces() <= kFew;
    // Without a plan yet, tight bounds give one soonest.
    for (double bound_s = kFirst * floor_s_; best_s_ == kNever && bound_s < kLast * floor_s_;
         bound_s *= kFirst) {
      try_bound(search, pricing, {bound_s, kNever, kNever});
    }
    descend(search, pricing, pricing.least_seconds(root.path_before.back()));
    states_ += search.labels();
  }

  std::vector<Candidate> take() { return std::move(found_); }
  std::int64_t states() const { return states_; }

 private:
  static constexpr double kFirst = 1.1, kLast = 100.0;  // times the least possible bottleneck
  static constexpr double kStep = 1.2;
  static constexpr double kSlop = 2e-4;        // of the wanted time
  static constexpr double kLeastMemory = 0.3;  // of a device's

  // Bounds of the bottleneck from the loosest on that may lead to a plan that is wanted. Between a
  // bound and the next floor paths may take what the floor leaves of the wanted time. The shortest
  // path only grows as the bound falls, so where one was found nothing is missed down to the bound
  // at which it would still be good enough.
  void descend(StageSearch& search, const Pricing& pricing, double path_s) {
    double bound_s = others_ > 0 ? (wanted_s_ - path_s) / others_ : kNever;
    while (bound_s >= floor_s_) {
      const double next_s = std::isfinite(bound_s) ? std::max(floor_s_, bound_s / kStep) : floor_s_;
      const double path_limit_s = wanted_s_ - others_ * next_s;
      const auto chosen = try_bound(search, pricing, {bound_s, path_limit_s, memory_bytes_});
      if (others_ == 0 || (!chosen && next_s == floor_s_)) return;
      if (chosen) {
        bound_s = std::min(std::nextafter(chosen->bottleneck_s, 0.0),
                           (wanted_s_ - chosen->path_s) / others_);
      } else {
        bound_s = next_s;
      }
    }
  }

  // The shortest path within the limits. Where the plan does not fit the memory, it is searched for
  // with regard to it; where messages wait for longer than in a chain, what is allowed becomes
  // less.
  std::optional<ChosenStages> try_bound(StageSearch& search, const Pricing& pricing,
                                        StageSearch::Limits limits) {
    limits.slop_s = is_exact_ ? 0.0 : kSlop * wanted_s_;
    while (true) {
      auto chosen = search.shortest(limits);
      if (!chosen) return std::nullopt;
      Plan plan = place({computation_, cluster_, options_, view_.devices}, chosen->stages,
                        pricing.micro_batch());
      if (fits(computation_, cluster_, plan)) {
        const double predicted = pricing.predict(chosen->path_s, chosen->bottleneck_s);
        wanted_s_ = std::min(wanted_s_, predicted);
        best_s_ = std::min(best_s_, predicted);
        found_.push_back({predicted, std::move(plan)});
        return chosen;
      }
      const double all = view_.equal.memory_bytes;
      memory_bytes_ = limits.memory_bytes = std::min(all, 0.9 * limits.memory_bytes);
      if (memory_bytes_ < kLeastMemory * all) return std::nullopt;
    }
  }

  const Computation& computation_;
  const Cluster& cluster_;
  const PlanOptions& options_;
  const DeviceView& view_;
  std::vector<Candidate> found_;
  double best_s_ = kNever;
  std::int64_t states_ = 0;
  // Of the micro-batch:
  int others_ = 0;         // micro-batches behind the first
  double floor_s_ = 0.0;   // no bottleneck is smaller
  double wanted_s_ = 0.0;  // of an iteration; what takes longer is of no interest
  double memory_bytes_ = 0.0;
  bool is_exact_ = false;
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
