// GraphPipe's planner (arXiv:2406.17145, section 5), with the predicted time of an iteration as its
// objective: docs/design/pipeline.md, "Planner".
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <set>

#include "base/check.h"
#include "pipeline/planners.h"
#include "pipeline/planners/graphpipe_place.h"
#include "pipeline/planners/graphpipe_price.h"
#include "pipeline/planners/graphpipe_search.h"
#include "pipeline/planners/series_parallel.h"

namespace lamina::pipeline {
namespace {

// Plans that are predicted to be slower than the best by no more than this are simulated too.
constexpr double kMargin = 0.04;

constexpr double kNever = std::numeric_limits<double>::infinity();

struct Candidate {
  double predicted_s = kNever;
  Plan plan;
};

// Devices that are treated as if they were equal to the slowest and smallest of them.
struct View {
  std::vector<int> devices;
  EqualDevices equal;
};

View view_of(const Cluster& cluster, std::vector<int> devices) {
  View view{std::move(devices), {}};
  view.equal.count = static_cast<int>(view.devices.size());
  view.equal.speed = view.equal.memory_bytes = kNever;
  view.equal.inside = cluster.inside;
  view.equal.between = cluster.between;
  std::map<int, int> nodes;
  for (const int device : view.devices) {
    const DeviceSpec& spec = cluster.devices[static_cast<std::size_t>(device)];
    view.equal.speed = std::min(view.equal.speed, spec.speed);
    view.equal.memory_bytes = std::min(view.equal.memory_bytes, spec.memory_bytes);
    ++nodes[spec.node];
  }
  view.equal.per_node = nodes.begin()->second;
  for (const auto& [node, count] : nodes) {
    view.equal.per_node = std::min(view.equal.per_node, count);
  }
  view.equal.edges = cluster.inside;
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

class GraphPipe {
 public:
  GraphPipe(const Computation& computation, const Cluster& cluster, const PlanOptions& options)
      : computation_(computation), cluster_(cluster), options_(options) {}

  Planned run() {
    std::vector<int> all;
    for (std::size_t d = 0; d < cluster_.devices.size(); ++d) all.push_back(static_cast<int>(d));
    const View view = view_of(cluster_, all);
    const Decomposition structure = decompose(computation_, Untangle::kStrata);
    search(in_pieces(computation_, line_of(computation_), view.equal.count), view);
    search(in_pieces(computation_, structure.tree, view.equal.count), view);
    return choose();
  }

 private:
  void search(const SpTree& tree, const View& view) {
    Space space(computation_, tree, splits(options_.schedule));
    for (const int size : micro_batches(options_)) {
      const Pricing pricing(computation_, view.equal, options_, size);
      scan(space, pricing, view);
    }
  }

  // All bounds of the bottleneck that may lead to a better plan, from the loosest on. The shortest
  // path only grows as the bound falls, so between two bounds nothing is missed.
  void scan(Space& space, const Pricing& pricing, const View& view) {
    const int others = pricing.micro_batches() - 1;
    const Work all = space.sequence(space.root()).before.back();
    const Work path = space.sequence(space.root()).path_before.back();
    const double least_s = pricing.device_seconds(all) / view.equal.count;
    double own_best_s = kNever;
    StageSearch search(space, pricing);
    StageSearch::Limits limits{kNever, kNever, false};
    double path_s = pricing.least_seconds(path);
    while (true) {
      // What may still be better than the best with this micro-batch, and nearly as good as all.
      const double wanted_s = std::min(own_best_s, (1.0 + kMargin) * best_s_);
      if (others > 0) {
        limits.bottleneck_s = std::min(limits.bottleneck_s, (wanted_s - path_s) / others);
      }
      limits.path_s = wanted_s - others * least_s;
      if (limits.bottleneck_s < least_s) break;
      const auto chosen = search.shortest(limits);
      if (!chosen) break;
      Plan plan = place(computation_, cluster_, options_, view.devices, chosen->stages,
                        pricing.micro_batch());
      const bool it_fits = fits(computation_, cluster_, plan);
      if (!it_fits && !limits.memory) {
        limits.memory = true;
        continue;
      }
      const double predicted = pricing.predict(chosen->path_s, chosen->bottleneck_s);
      if (it_fits) {
        own_best_s = std::min(own_best_s, predicted);
        best_s_ = std::min(best_s_, predicted);
        candidates_.push_back({predicted, std::move(plan)});
      }
      path_s = chosen->path_s;
      limits.bottleneck_s = std::nextafter(chosen->bottleneck_s, 0.0);
      if (others == 0) break;
    }
    states_ += search.labels();
  }

  Planned choose() {
    Planned planned;
    planned.states = states_;
    if (candidates_.empty()) {
      planned.reason =
          fmt::format("no plan fits the memory of the {} devices", cluster_.devices.size());
      return planned;
    }
    std::stable_sort(candidates_.begin(), candidates_.end(),
                     [](const auto& a, const auto& b) { return a.predicted_s < b.predicted_s; });
    double best_s = kNever;
    constexpr std::size_t kSimulated = 8;
    for (std::size_t c = 0; c < std::min(kSimulated, candidates_.size()); ++c) {
      const double simulated = iteration_seconds(computation_, cluster_, candidates_[c].plan);
      if (simulated >= best_s) continue;
      best_s = simulated;
      planned.plan = candidates_[c].plan;
    }
    return planned;
  }

  const Computation& computation_;
  const Cluster& cluster_;
  const PlanOptions& options_;
  std::vector<Candidate> candidates_;
  double best_s_ = kNever;
  std::int64_t states_ = 0;
};

}  // namespace

Planned plan_graphpipe(const Computation& computation, const Cluster& cluster,
                       const PlanOptions& options) {
  return GraphPipe(computation, cluster, options).run();
}

}  // namespace lamina::pipeline
