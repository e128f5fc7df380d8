// The dynamic programme of GraphPipe's planner (section 5 of the paper) for one micro-batch size
// and one bound of the bottleneck.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

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
  StageSearch(Space& space, const Pricing& pricing) : space_(space), pricing_(pricing) {}

  // The stages with the shortest critical path of those whose bottleneck is at most `bottleneck_s`;
  // with `bounded`, of those that fit the memory.
  std::optional<ChosenStages> shortest(double bottleneck_s, bool bounded);
  std::int64_t labels() const { return labels_; }  // kept in fronts so far

 private:
  struct Label {
    int devices = 0;
    double path_s = 0.0;
    int height = 0;  // stages on the longest way to a sink; 0 where memory is not bounded
    int plan = -1;   // index into steps_
  };
  using Front = std::vector<Label>;
  class Collector;

  // What stages before and behind a fork took of a group of its branches.
  enum class Taken { kNothing, kHead, kTail, kBoth };
  // What a label stands for, in a list from the sources to the sinks.
  struct Step {
    enum class Kind {
      kStage,
      kFork,      // the branches of an item that no stage before or behind took
      kBranches,  // a group of them, one after the other
    };
    Kind kind = Kind::kStage;
    int next = -1;
    int inner = -1;  // kFork: its first kBranches; kBranches: the steps of their stages
    StageParts parts;
    StageMode mode;
    double bottleneck_s = 0.0;
    int item = 0;            // kFork
    bool is_shared = false;  // kFork: the stages before and behind took parts of the same group
    int group = 0;           // kBranches
    Taken taken = Taken::kNothing;
  };
  // Where a group is cut in two: at this item of its sequence. Group 0: nowhere.
  struct Cut {
    int group = 0;
    int item = 0;
    bool operator<(const Cut& other) const {
      return std::pair(group, item) < std::pair(other.group, other.item);
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
  // All from an item on is in stages, but the head of a group of that item, which the next stage
  // has to take along.
  using Fronts = std::vector<std::map<Cut, Front>>;
  // A fork whose stages leave out the tail of one group, and the head of another or the same.
  struct OpenFork {
    int fork = 0;
    Cut tail;
    Cut head;
    bool is_shared = false;
    int height = 0;
  };

  const Front& solve(const Range& range);
  void add_stages(const Range& range, int place, const Cut& head, Fronts& fronts);
  bool add_stage(const Range& range, const StageParts& parts, const Front& from, Fronts& fronts);
  void add_fork(const Range& range, int item, const Cut& tail, const Front& from, Fronts& fronts);
  void add_open_fork(const Range& range, int item, const OpenFork& open, const Front& from,
                     Fronts& fronts);
  Front beside(const OpenFork& open);
  const Front& whole_branches(int fork, int group, int height);
  Front with_branches(const Front& left, const Front& right, const Step& branches);
  const std::vector<Cut>& cuts(int fork);
  int all_branches(int fork) const { return space_.fork(fork).groups - 1; }
  void insert(Front& front, const Label& label, const Step& step);
  ChosenStages collect(int plan) const;
  int most_devices(const Range& range) const;
  int least_devices(int sequence, int begin, int end) const;
  void add_branches(const OpenFork& open, Taken taken, Front& front);

  Space& space_;
  const Pricing& pricing_;
  bool bounded_ = false;
  double limit_s_ = 0.0;
  std::int64_t labels_ = 0;
  std::vector<Step> steps_;
  std::map<Range, Front> solved_;
  std::map<std::array<int, 3>, Front> branches_;
  std::map<int, std::vector<Cut>> cuts_;
};

}  // namespace lamina::pipeline
