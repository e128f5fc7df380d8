// The loops around the dynamic programme: views of the cluster, trees of the network,
// micro-batches, bounds of the bottleneck.
#include "pipeline/planners/graphpipe_candidates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "pipeline/planners.h"
#include "pipeline/planners/graphpipe_place.h"
#include "pipeline/planners/graphpipe_search.h"
#include "pipeline/planners/series_parallel.h"
#include "pipeline/stage_graph.h"

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

double seconds(const Computation& computation) {
  double total = 0.0;
  for (const Operator& op : computation.operators) {
    total += op.forward_s + op.input_gradient_s + op.weight_gradient_s + op.fixed_s;
  }
  return total;
}

// The tree with at most so many leaves: what takes little time goes with its neighbours.
SpTree in_pieces(const Computation& computation, const SpTree& tree, int most) {
  double grain_s = seconds(computation) / (4.0 * most);
  SpTree pieces = tree;
  for (; count_leaves(pieces) > most && grain_s > 0.0; grain_s *= 1.5) {
    pieces = coarsen(computation, tree, grain_s);
  }
  return pieces;
}

// One tree for one view.
class Scan {
 public:
  Scan(const Computation& computation, const Cluster& cluster, const PlanOptions& options,
       const DeviceView& view)
      : computation_(computation), cluster_(cluster), options_(options), view_(view) {}

  // Adds what it finds with this micro-batch. The nearer to the best plan what is wanted is, the
  // sooner all else is out: the first search of a tree tries how much better it is than plans
  // before.
  void run(Space& space, int micro_batch, double margin, const Deadline& deadline) {
    const Pricing pricing(computation_, view_.equal, options_, micro_batch);
    StageSearch search(space, pricing, deadline);
    others_ = pricing.micro_batches() - 1;
    is_exact_ = space.pieces() <= kFew;
    const std::size_t before = found_.size();
    for (const double share : kShares) {
      const bool is_first = found_.size() == known_ && std::isfinite(best_s_);
      if (share < 1.0 && (is_exact_ || !is_first)) continue;
      wanted_s_ = share * (1.0 + margin) * best_s_;
      search_below(search, pricing, space.sequence(space.root()));
      if (found_.size() > before) break;
    }
    states_ += search.labels();
  }
  // What follows is another tree.
  void set_tree() { known_ = found_.size(); }

  const std::vector<Candidate>& found() const { return found_; }
  std::int64_t states() const { return states_; }

 private:
  static constexpr double kTightest = 1.03, kLoosest = 100.0;  // times the first floor
  static constexpr double kStep = 1.2;
  static constexpr std::array kShares = {0.65, 0.8, 1.0};   // of what plans before take
  static constexpr double kSlop = 5e-4, kLeastGain = 2e-3;  // of the wanted time
  static constexpr double kLeastMemory = 0.3;               // of a device's

  void search_below(StageSearch& search, const Pricing& pricing, const Sequence& root) {
    floor_s_ = pricing.device_seconds(root.before.back()) / view_.equal.count;
    memory_bytes_ = kNever;
    const Known known = others_ > 0 ? raise_floor(search, pricing) : Known{};
    descend(search, pricing, pricing.least_seconds(root.path_before.back()), known);
  }

  // The shortest path with this bound of the bottleneck.
  struct Known {
    double bound_s = 0.0;
    double path_s = 0.0;
  };

  // Tight bounds first: they are soon decided, and the first plan found makes all others easier.
  Known raise_floor(StageSearch& search, const Pricing& pricing) {
    const double first_s = floor_s_;
    for (double bound_s = kTightest * first_s; bound_s < kLoosest * first_s; bound_s *= kStep) {
      const auto chosen =
          try_bound(search, pricing, {bound_s, path_limit_s(floor_s_), memory_bytes_});
      if (chosen) return is_exact_ ? Known{} : Known{bound_s, chosen->path_s};
      floor_s_ = bound_s;
      if (others_ * floor_s_ > wanted_s_) break;
    }
    return {};
  }

  // Bounds of the bottleneck from the loosest on that may lead to a plan that is wanted. Between a
  // bound and the next floor paths may take what the floor leaves of the wanted time. The shortest
  // path only grows as the bound falls, so where one was found nothing is missed down to the bound
  // at which it would still be good enough.
  void descend(StageSearch& search, const Pricing& pricing, double path_s, const Known& known) {
    double bound_s = others_ > 0 ? bound_for(path_s) : kNever;
    while (true) {
      if (bound_s <= known.bound_s) bound_s = std::min(bound_s, bound_for(known.path_s));
      if (bound_s < floor_s_) return;
      double next_s = std::isfinite(bound_s) ? std::max(floor_s_, bound_s / kStep) : floor_s_;
      if (bound_s > known.bound_s) next_s = std::max(next_s, known.bound_s);
      const auto chosen =
          try_bound(search, pricing, {bound_s, path_limit_s(next_s), memory_bytes_});
      if (others_ == 0 || (!chosen && next_s == floor_s_)) return;
      if (chosen && chosen->bottleneck_s <= floor_s_) return;
      bound_s = chosen
                    ? std::min(std::nextafter(chosen->bottleneck_s, 0.0), bound_for(chosen->path_s))
                    : next_s;
    }
  }

  // Where paths take so long, plans that are wanted have no slower stages.
  double bound_for(double path_s) const { return (path_limit_s(0.0) - path_s) / others_; }

  // Of plans that are faster than what is wanted by more than a trifle, their slowest stage no
  // faster than this.
  double path_limit_s(double bottleneck_s) const {
    const double least_gain = is_exact_ ? 0.0 : kLeastGain;
    return (1.0 - least_gain) * wanted_s_ - others_ * bottleneck_s;
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
        found_.push_back({predicted, 0, std::move(plan)});
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
  std::size_t known_ = 0;  // of trees before
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

namespace {

// Forks that take less than this share of the time are put in a line. Where the best plan for a
// line has few stages, there is little to gain from branches that are small parts of a stage.
double least_fork(const std::vector<Candidate>& found, int devices) {
  const auto best = std::min_element(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.predicted_s < b.predicted_s;
  });
  const double stages =
      best == found.end() ? devices : static_cast<double>(best->plan.stages.size());
  return std::max(1.0 / devices, std::clamp(0.5 / stages, 1.0 / 16.0, 1.0 / 8.0));
}

// The searches of one view after another.
class Finder {
 public:
  Finder(const Computation& computation, const SpTree& tree, const Cluster& cluster,
         const PlanOptions& options, const SearchEnd& end)
      : computation_(computation),
        cluster_(cluster),
        options_(options),
        end_(end),
        line_(line_of(computation)),
        tree_(tree) {}

  void add(const DeviceView& view) {
    constexpr int kMany = 512, kOfDevice = 16;
    const int most = std::clamp(kOfDevice * view.equal.count, 4 * kFew, kMany);
    Scan scan(computation_, cluster_, options_, view);
    search(scan, in_pieces(computation_, line_, most));
    if (tree_ == line_) {
      keep(scan);
      return;
    }
    const double least_s = least_fork(scan.found(), view.equal.count) * seconds(computation_);
    const bool is_small = count_leaves(tree_) <= kFew;
    const SpTree fine = is_small ? tree_ : without_small_forks(computation_, tree_, least_s);
    const SpTree pieces = in_pieces(computation_, fine, most);
    search(scan, pieces);
    keep(scan);
    if (view.equal.count < 2 || scan.found().empty() || !best_is_one_stage(scan)) return;
    // One stage of all devices leaves no room for plans that only come to be better when joins are
    // split from the branches that they share devices with.
    DeviceView apart = view;
    apart.equal.most_of_stage = view.equal.count / 2;
    Scan others(computation_, cluster_, options_, apart);
    search(others, pieces);
    keep(others);
  }

  Candidates take() {
    std::stable_sort(result_.list.begin(), result_.list.end(),
                     [](const auto& a, const auto& b) { return a.predicted_s < b.predicted_s; });
    result_.stopped = end_.deadline.passed();
    return std::move(result_);
  }

 private:
  void search(Scan& scan, const SpTree& pieces) const {
    Space space(computation_, pieces, splits_backward(options_.schedule));
    scan.set_tree();
    const std::vector<int> sizes = micro_batches(options_, cluster_);
    for (const int size : space.pieces() > kFew ? by_promise(scan, sizes) : sizes) {
      // All samples at once make no pipeline: that is left to the line.
      if (size == options_.batch && space.forks() > 0 && space.pieces() > kFew) continue;
      scan.run(space, size, end_.margin, end_.deadline);
    }
  }

  // Micro-batches whose plans of one line are fast first: once there is a fast plan, others are
  // soon done.
  static std::vector<int> by_promise(const Scan& scan, std::vector<int> sizes) {
    const auto least_s = [&](int size) {
      double seconds = kNever;
      for (const Candidate& candidate : scan.found()) {
        if (candidate.plan.stages.front().micro_batch != size) continue;
        seconds = std::min(seconds, candidate.predicted_s);
      }
      return seconds;
    };
    std::stable_sort(sizes.begin(), sizes.end(),
                     [&](int a, int b) { return least_s(a) < least_s(b); });
    return sizes;
  }

  void keep(const Scan& scan) {
    for (const Candidate& candidate : scan.found()) {
      result_.list.push_back(candidate);
      result_.list.back().view = result_.views;
    }
    ++result_.views;
    result_.states += scan.states();
  }

  static bool best_is_one_stage(const Scan& scan) {
    const auto best = std::min_element(
        scan.found().begin(), scan.found().end(),
        [](const auto& a, const auto& b) { return a.predicted_s < b.predicted_s; });
    return best->plan.stages.size() == 1;
  }

  const Computation& computation_;
  const Cluster& cluster_;
  const PlanOptions& options_;
  const SearchEnd& end_;
  SpTree line_;
  const SpTree& tree_;
  Candidates result_;
};

}  // namespace

SpTree structure_of(const Computation& computation) {
  constexpr int kTangled = 10;  // operators of a tangle at most
  const bool is_small = computation.operators.size() <= kTangled;
  return is_small ? tangle_of(computation) : decompose(computation, kTangled).tree;
}

Candidates find_candidates(const Computation& computation, const SpTree& structure,
                           const Cluster& cluster, const PlanOptions& options,
                           const SearchEnd& end) {
  Finder finder(computation, structure, cluster, options, end);
  for (const DeviceView& view : device_views(cluster)) finder.add(view);
  return finder.take();
}

}  // namespace lamina::pipeline
