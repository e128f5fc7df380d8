// dnn-partitioning's planner: chains of stages without replication.
#include "pipeline/planners/ideals.h"

#include <algorithm>

#include "pipeline/planners.h"
#include "pipeline/planners/chain_judge.h"

namespace lamina::pipeline {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// Counts of devices in use, of all kinds, as one number: the first kind counts fastest.
class Counts {
 public:
  explicit Counts(const std::vector<DeviceKind>& kinds) {
    for (const DeviceKind& kind : kinds) {
      steps_.push_back(size_);
      limits_.push_back(kind.count);
      size_ *= kind.count + 1;
    }
  }
  int size() const { return size_; }
  int step(std::size_t kind) const { return steps_[kind]; }
  int used(int counts, std::size_t kind) const {
    return counts / steps_[kind] % (limits_[kind] + 1);
  }
  int all(int counts) const {
    int sum = 0;
    for (std::size_t kind = 0; kind < steps_.size(); ++kind) sum += used(counts, kind);
    return sum;
  }

 private:
  std::vector<int> steps_, limits_;
  int size_ = 1;
};

// Best chains for the operators outside each downset, by the devices that they use.
class LeastLoadSearch {
 public:
  LeastLoadSearch(const Downsets& sets, const std::vector<DeviceKind>& kinds)
      : sets_(sets), kinds_(kinds), counts_(kinds) {
    const std::size_t cells = static_cast<std::size_t>(sets.size()) * width();
    load_.assign(cells, kNever);
    choice_.assign(cells, {});
    load_[cell(sets.size() - 1, 0)] = 0.0;
  }

  bool run(const Deadline& deadline) {
    for (int inner = sets_.size() - 2; inner >= 0; --inner) {
      if (deadline.passed()) return false;
      for (int outer = inner + 1; outer < sets_.size(); ++outer) {
        if (sets_.inside(inner, outer)) extend(inner, outer);
      }
    }
    return true;
  }

  LeastLoad result() const {
    LeastLoad best;
    best.states = static_cast<std::int64_t>(load_.size());
    int counts = 0;
    for (int each = 0; each < counts_.size(); ++each) {
      if (load_[cell(0, each)] < best.seconds) {
        best.seconds = load_[cell(0, each)];
        counts = each;
      }
    }
    if (best.seconds == kNever) return best;
    for (int set = 0; set < sets_.size() - 1;) {
      const Choice& choice = choice_[cell(set, counts)];
      best.stages.push_back({set, choice.outer, choice.kind});
      set = choice.outer;
      counts -= counts_.step(static_cast<std::size_t>(choice.kind));
    }
    return best;
  }

 private:
  struct Choice {
    int outer = 0;
    int kind = 0;
  };

  std::size_t width() const { return static_cast<std::size_t>(counts_.size()); }
  std::size_t cell(int set, int counts) const {
    return static_cast<std::size_t>(set) * width() + static_cast<std::size_t>(counts);
  }

  // Puts the stage between two downsets before the chains of the outer one.
  void extend(int inner, int outer) {
    for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
      const StageLoad load = kinds_[kind].load(inner, outer);
      if (load.seconds == kNever) continue;
      for (int counts = 0; counts + counts_.step(kind) < counts_.size(); ++counts) {
        const double rest = load_[cell(outer, counts)];
        if (rest == kNever || counts_.used(counts, kind) == kinds_[kind].count ||
            counts_.all(counts) >= load.most) {
          continue;
        }
        const std::size_t to = cell(inner, counts + counts_.step(kind));
        const double seconds = std::max(rest, load.seconds);
        if (seconds >= load_[to]) continue;
        load_[to] = seconds;
        choice_[to] = {outer, static_cast<int>(kind)};
      }
    }
  }

  const Downsets& sets_;
  const std::vector<DeviceKind>& kinds_;
  Counts counts_;
  std::vector<double> load_;
  std::vector<Choice> choice_;
};

Planned plan_over(const Computation& computation, const Cluster& cluster,
                  const PlanOptions& options, const std::string& planner,
                  const std::vector<std::pair<int, int>>& order) {
  constexpr int kMostDownsets = 60'000;
  const Deadline deadline(options.limit_s);
  const Downsets sets(static_cast<int>(computation.operators.size()), order, kMostDownsets,
                      deadline);
  if (!sets.complete()) return {std::nullopt, sets.reason(), 0.0, sets.size()};
  ChainCosts costs(computation, cluster, options, sets);
  const auto search = [&](const ChainCosts& at) {
    const DeviceKind device{
        static_cast<int>(cluster.devices.size()), [&](int inner, int outer) {
          const StageSums stage = at.sums(inner, outer);
          return StageLoad{at.seconds(stage, 1) + at.transfer_s(stage), at.most_stages(stage, 1)};
        }};
    const LeastLoad best = least_load(sets, {device}, deadline);
    FoundChain chain{{}, best.states};
    for (const LoadedStage& stage : best.stages) {
      chain.stages.push_back({stage.inner, stage.outer, 1, false});
    }
    return chain;
  };
  return search_chains({computation, cluster, options, planner}, costs, options, deadline, search);
}

}  // namespace

LeastLoad least_load(const Downsets& sets, const std::vector<DeviceKind>& kinds,
                     const Deadline& deadline) {
  LeastLoadSearch search(sets, kinds);
  if (!search.run(deadline)) return {};
  return search.result();
}

Planned plan_ideals(const Computation& computation, const Cluster& cluster,
                    const PlanOptions& options) {
  return plan_over(computation, cluster, options, "ideals", pairs_of(computation));
}

Planned plan_linear(const Computation& computation, const Cluster& cluster,
                    const PlanOptions& options) {
  const auto nodes = static_cast<int>(computation.operators.size());
  const std::vector<int> order = linear_order(nodes, pairs_of(computation));
  return plan_over(computation, cluster, options, "linear", chain_of(order));
}

}  // namespace lamina::pipeline
