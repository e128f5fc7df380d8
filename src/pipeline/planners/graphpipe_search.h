// The dynamic programme of GraphPipe's planner (section 5 of the paper) for one micro-batch size
// and one bound of the bottleneck.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pipeline/planners/deadline.h"
#include "pipeline/planners/graphpipe_bounds.h"
#include "pipeline/planners/graphpipe_front.h"
#include "pipeline/planners/graphpipe_price.h"
#include "pipeline/planners/graphpipe_space.h"

namespace lamina::pipeline {

struct ChosenStage {
  std::vector<int> operators;
  StageMode mode;
};
struct ChosenStages {
  std::vector<ChosenStage> stages;
  double path_s = 0.0;
  double bottleneck_s = 0.0;
};

// Stages are taken from the sinks on, so that it is known how many stages follow, and with them how
// many micro-batches are in flight. All that a part of the network can do is a front of labels,
// none of which is better than another in every respect.
class StageSearch {
 public:
  StageSearch(Space& space, const Pricing& pricing, const Deadline& deadline)
      : space_(space), pricing_(pricing), deadline_(deadline), bounds_(space, pricing) {}

  using Limits = SearchLimits;
  // Those with the shortest critical path, but for slop_s a stage. After the deadline it finds
  // none.
  std::optional<ChosenStages> shortest(const Limits& limits);
  std::int64_t labels() const { return labels_; }  // kept in fronts so far

 private:
  class Collector;
  class Tangle;

  // What stages before and behind a fork took of a bundle of its branches.
  enum class Taken { kNothing, kHead, kTail, kBoth };
  // What a label stands for, in a list from the sources to the sinks.
  struct Step {
    enum class Kind {
      kStage,
      kFork,      // the branches of an item that no stage before or behind took
      kBranches,  // a bundle of them
    };
    Kind kind = Kind::kStage;
    int next = -1;
    int inner = -1;  // kFork: its first kBranches; kBranches: the steps of their stages
    StageParts parts;
    StageMode mode;
    double bottleneck_s = 0.0;
    int item = 0;            // kFork
    bool is_shared = false;  // kFork: the stages before and behind took parts of the same bundle
    int bundle = 0;          // kBranches
    Taken taken = Taken::kNothing;
  };
  // Where a bundle is cut in two: at this item of its sequence.
  struct Cut {
    int bundle = kNoBundle;
    int item = 0;
    bool operator==(const Cut&) const = default;
    bool operator<(const Cut& other) const {
      return std::pair(bundle, item) < std::pair(other.bundle, other.item);
    }
  };
  // Items begin to end of a sequence, with `height` stages behind them.
  struct Range {
    int sequence = 0;
    int begin = 0;
    int end = 0;
    int height = 0;
    bool operator<(const Range& other) const {
      return std::tie(sequence, begin, end, height) <
             std::tie(other.sequence, other.begin, other.end, other.height);
    }
  };
  // All from an item on is in stages, but the head of a bundle of that item, which the next stage
  // has to take along.
  using Growing = GrowingFront<Step>;
  using Fronts = std::vector<std::map<Cut, Growing>>;
  // A fork whose stages leave out the tail of one bundle, and the head of another or the same.
  struct OpenFork {
    int fork = 0;
    Cut tail;
    Cut head;
    bool is_shared = false;
    int height = 0;
    bool operator==(const OpenFork&) const = default;
  };

  // A range that is being solved.
  struct Solving {
    const Range& range;
    Fronts fronts;
    std::vector<Left> left;  // by item

    const Left& left_at(int item) const {
      return left[static_cast<std::size_t>(item - range.begin)];
    }
    std::map<Cut, Growing>& fronts_at(int item) {
      return fronts[static_cast<std::size_t>(item - range.begin)];
    }
  };
  struct Option {
    StageMode mode;
    StagePrice price;
  };

  const Front& solve(const Range& range);
  const std::vector<Option>& options(int shape, int height);
  std::vector<Option> compute_options(const Shape& shape, int height) const;
  void add_stages(Solving& solving, int place, const Cut& head, const Front& from);
  bool add_stage(Solving& solving, const StageParts& parts, const Front& from);
  void add_labels(const Left& left, const StageParts& parts, const Option& option,
                  std::span<const Label> labels, Growing& to) const;
  void add_fork(Solving& solving, int item, const Cut& tail, const Front& from);
  void add_open_fork(Solving& solving, int item, const OpenFork& open, const Front& from);
  const Front& beside(const OpenFork& open);
  Front solve_beside(const OpenFork& open);
  const Front& whole_branches(int fork, int group, int height);
  Front with_branches(const Front& left, const Front& right, const Step& branches);
  const std::vector<Cut>& cuts(int fork);
  int group_of(const Cut& cut) const {
    return cut.bundle == kNoBundle ? 0 : space_.bundle(cut.bundle).group;
  }
  int all_branches(int fork) const { return space_.fork(fork).groups - 1; }
  Growing& growing(Solving& solving, int item, const Cut& head) const {
    return solving.fronts_at(item).try_emplace(head, limits_.slop_s).first->second;
  }
  Front take(const Growing& front);
  ChosenStages collect(int plan) const;
  int least_devices(const Solving& solving, int item, const OpenFork& open) const;
  void add_branches(const OpenFork& open, Taken taken, Front& front);
  Front solve_tangle(const OpenFork& open);
  std::vector<Cut> cuts_of_tangle(int fork, int most);

  Space& space_;
  const Pricing& pricing_;
  const Deadline& deadline_;
  Bounds bounds_;
  Limits limits_;
  std::int64_t labels_ = 0;
  std::vector<Step> steps_;
  std::map<Range, Front> solved_;
  std::map<std::array<int, 3>, Front> branches_;  // by fork, group and height
  struct OpenForkHash {
    std::size_t operator()(const OpenFork& open) const;
  };
  std::unordered_map<OpenFork, Front, OpenForkHash> open_forks_;
  std::map<int, std::vector<Cut>> cuts_;
  // By tangle, members that no stage behind it took, and height: fronts by members that are left.
  std::map<std::array<int, 3>, std::map<int, Front>> tangles_;
  // By shape, without a bound of the memory; a time of the search tells whether they are of now.
  struct Options {
    int search = 0;
    std::vector<Option> options;
  };
  std::vector<Options> options_;
  std::map<std::pair<int, int>, std::vector<Option>> bounded_options_;  // by shape and height
  int searches_ = 0;
};

}  // namespace lamina::pipeline
