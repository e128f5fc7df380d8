// Labels of ranges of sequences, from the sinks to the sources: a stage takes the last items that
// are left, or a fork there is cut into branches that are solved by themselves.
#include "pipeline/planners/graphpipe_search.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace lamina::pipeline {
namespace {

using Index = std::size_t;
Index at(int i) { return static_cast<Index>(i); }

// Places where the groups of a fork may be cut; those of few branches come first.
constexpr Index kMostCuts = 256;

}  // namespace

std::optional<ChosenStages> StageSearch::shortest(double bottleneck_s, bool bounded) {
  bounded_ = bounded;
  limit_s_ = bottleneck_s;
  steps_.clear();
  solved_.clear();
  branches_.clear();
  const Front& front = solve({space_.root(), 0, space_.length(space_.root()), 0});
  if (front.empty()) return std::nullopt;
  const auto best =
      std::min_element(front.begin(), front.end(), [](const Label& a, const Label& b) {
        return std::pair(a.path_s, a.devices) < std::pair(b.path_s, b.devices);
      });
  ChosenStages chosen = collect(best->plan);
  chosen.path_s = best->path_s;
  return chosen;
}

// Devices for these items at least: together they work so long at every micro-batch.
int StageSearch::least_devices(int sequence, int begin, int end) const {
  const Sequence& items = space_.sequence(sequence);
  const double work = pricing_.work(items.rate_before[at(end)] - items.rate_before[at(begin)],
                                    items.fixed_before[at(end)] - items.fixed_before[at(begin)]);
  constexpr double kRounding = 1e-9;
  return static_cast<int>(std::ceil(work / limit_s_ - kRounding));
}

// Devices that the rest of the network leaves for the range.
int StageSearch::most_devices(const Range& range) const {
  const Sequence& all = space_.sequence(space_.root());
  const Sequence& own = space_.sequence(range.sequence);
  const auto others = [&](const std::vector<double>& whole, const std::vector<double>& before) {
    return whole.back() - (before[at(range.end)] - before[at(range.begin)]);
  };
  const double work = pricing_.work(others(all.rate_before, own.rate_before),
                                    others(all.fixed_before, own.fixed_before));
  constexpr double kRounding = 1e-6;
  return pricing_.devices().count - static_cast<int>(std::ceil(work / limit_s_ - kRounding));
}

void StageSearch::insert(Front& front, const Label& label, const Step& step) {
  const auto covers = [](const Label& a, const Label& b) {
    return a.devices <= b.devices && a.path_s <= b.path_s && a.height <= b.height;
  };
  for (const Label& other : front) {
    if (covers(other, label)) return;
  }
  std::erase_if(front, [&](const Label& other) { return covers(label, other); });
  front.push_back(label);
  front.back().plan = static_cast<int>(steps_.size());
  steps_.push_back(step);
  ++labels_;
}

const StageSearch::Front& StageSearch::solve(const Range& range) {
  const auto known = solved_.find(range);
  if (known != solved_.end()) return known->second;
  Fronts fronts(at(range.end - range.begin + 1));
  fronts.back()[Cut{}] = {{0, 0.0, range.height, -1}};
  for (int place = range.end; place > range.begin; --place) {
    // A stage without items of its own adds to fronts of the place before, never to this one.
    for (const auto& [head, front] : fronts[at(place - range.begin)]) {
      add_stages(range, place, head, fronts);
      const Item& item = space_.sequence(range.sequence).items[at(place - 1)];
      if (head.group == 0 && item.fork >= 0) add_fork(range, place - 1, Cut{}, front, fronts);
    }
  }
  return solved_[range] = std::move(fronts.front()[Cut{}]);
}

void StageSearch::add_stages(const Range& range, int place, const Cut& head, Fronts& fronts) {
  const Front from = fronts[at(place - range.begin)][head];
  for (int begin = place; begin >= range.begin; --begin) {
    StageParts parts{begin, place, head.group, head.item, 0, 0};
    if (begin < place && !add_stage(range, parts, from, fronts)) break;
    if (begin == range.begin || (begin == place && head.group == 0)) continue;
    const Item item = space_.sequence(range.sequence).items[at(begin - 1)];
    if (item.fork < 0) continue;
    for (const Cut& cut : cuts(item.fork)) {
      parts.tail_group = cut.group;
      parts.tail_begin = cut.item;
      if (cut.item < space_.length(space_.group_sequence(item.fork, cut.group))) {
        add_stage(range, parts, from, fronts);
      }
    }
  }
}

// False where the stage takes too long, however many devices it has.
bool StageSearch::add_stage(const Range& range, const StageParts& parts, const Front& from,
                            Fronts& fronts) {
  const Shape& shape = space_.shape(range.sequence, parts);
  const double samples = static_cast<double>(pricing_.micro_batch()) / pricing_.degrees().back();
  if (shape.fixed() + samples * shape.rate() > limit_s_ * pricing_.devices().speed) return false;
  const int left =
      parts.tail_group == 0 ? least_devices(range.sequence, range.begin, parts.begin) : 0;
  const int most = most_devices(range) - left;
  Front behind_tail;
  Front& to = parts.tail_group == 0 ? fronts[at(parts.begin - range.begin)][Cut{}] : behind_tail;
  for (const Label& label : from) {
    const int height = bounded_ ? label.height + 1 : 0;
    for (const int devices : pricing_.degrees()) {
      if (label.devices + devices > most) break;
      const auto mode = pricing_.fastest(shape, devices, height);
      if (!mode) continue;
      const StagePrice price = pricing_.price(shape, *mode);
      if (price.bottleneck_s > limit_s_) continue;
      Step step;
      step.next = label.plan;
      step.parts = parts;
      step.mode = *mode;
      step.bottleneck_s = price.bottleneck_s;
      insert(to, {label.devices + devices, label.path_s + price.path_s, height, -1}, step);
    }
  }
  if (parts.tail_group != 0 && !behind_tail.empty()) {
    add_fork(range, parts.begin - 1, {parts.tail_group, parts.tail_begin}, behind_tail, fronts);
  }
  return true;
}

// Solves the branches of the fork at `item`, but the tail that a stage behind it took, in every way
// that leaves the stage before it a head.
void StageSearch::add_fork(const Range& range, int item, const Cut& tail, const Front& from,
                           Fronts& fronts) {
  const int fork = space_.sequence(range.sequence).items[at(item)].fork;
  add_open_fork(range, item, {fork, tail, {}, false, 0}, from, fronts);
  if (item == range.begin) return;
  for (const Cut& head : cuts(fork)) {
    if (head.item == 0) continue;
    if (space_.contains(fork, all_branches(fork) - tail.group, head.group)) {
      add_open_fork(range, item, {fork, tail, head, false, 0}, from, fronts);
    }
    if (head.group == tail.group && head.item <= tail.item) {
      add_open_fork(range, item, {fork, tail, head, true, 0}, from, fronts);
    }
  }
}

void StageSearch::add_open_fork(const Range& range, int item, const OpenFork& open,
                                const Front& from, Fronts& fronts) {
  const int most = most_devices(range) - least_devices(range.sequence, range.begin, item);
  Front& to = fronts[at(item - range.begin)][open.head];
  OpenFork own = open;
  for (const Label& label : from) {
    own.height = label.height;
    for (const Label& branches : beside(own)) {
      const Label both{label.devices + branches.devices, label.path_s + branches.path_s,
                       branches.height, -1};
      if (both.devices > most) continue;
      Step step;
      step.kind = Step::Kind::kFork;
      step.next = label.plan;
      step.inner = branches.plan;
      step.item = item;
      step.is_shared = open.is_shared;
      insert(to, both, step);
    }
  }
}

StageSearch::Front StageSearch::beside(const OpenFork& open) {
  const int taken = open.tail.group + (open.is_shared ? 0 : open.head.group);
  Front front = whole_branches(open.fork, all_branches(open.fork) - taken, open.height);
  if (open.is_shared) {
    add_branches(open, Taken::kBoth, front);
  } else {
    if (open.tail.group != 0) add_branches(open, Taken::kTail, front);
    if (open.head.group != 0) add_branches(open, Taken::kHead, front);
  }
  return front;
}

// What is left of a group.
void StageSearch::add_branches(const OpenFork& open, Taken taken, Front& front) {
  Step branches;
  branches.kind = Step::Kind::kBranches;
  branches.group = taken == Taken::kHead ? open.head.group : open.tail.group;
  branches.taken = taken;
  const int sequence = space_.group_sequence(open.fork, branches.group);
  const Range range{sequence, taken == Taken::kTail ? 0 : open.head.item,
                    taken == Taken::kHead ? space_.length(sequence) : open.tail.item, open.height};
  if (range.begin < range.end) front = with_branches(front, solve(range), branches);
}

// The fronts of branches side by side: `left` has a list of kBranches, `right` the stages of one.
StageSearch::Front StageSearch::with_branches(const Front& left, const Front& right,
                                              const Step& branches) {
  Front front;
  for (const Label& one : left) {
    for (const Label& other : right) {
      const Label both{one.devices + other.devices, std::max(one.path_s, other.path_s),
                       std::max(one.height, other.height), -1};
      if (both.devices > pricing_.devices().count) continue;
      Step step = branches;
      step.next = one.plan;
      step.inner = other.plan;
      insert(front, both, step);
    }
  }
  return front;
}

// A group of whole branches, in every way to part it into sequences.
const StageSearch::Front& StageSearch::whole_branches(int fork, int group, int height) {
  const std::array<int, 3> key = {fork, group, height};
  const auto known = branches_.find(key);
  if (known != branches_.end()) return known->second;
  Front front;
  if (group == 0) front = {{0, 0.0, height, -1}};
  const std::vector<int> counts = space_.counts(fork, group);
  const auto first = std::find_if(counts.begin(), counts.end(), [](int n) { return n > 0; });
  for (int part = 1; part <= group; ++part) {
    if (!space_.contains(fork, group, part)) continue;
    if (space_.counts(fork, part)[at(static_cast<int>(first - counts.begin()))] == 0) continue;
    const int sequence = space_.group_sequence(fork, part);
    const Front stages = solve({sequence, 0, space_.length(sequence), height});
    if (stages.empty()) continue;
    Step branches;
    branches.kind = Step::Kind::kBranches;
    branches.group = part;
    const Front others = whole_branches(fork, group - part, height);
    for (const Label& label : with_branches(others, stages, branches)) {
      const Step step = steps_[at(label.plan)];
      insert(front, label, step);
    }
  }
  return branches_[key] = std::move(front);
}

// Of every group at every item, from its first to behind its last, but not all of the fork.
const std::vector<StageSearch::Cut>& StageSearch::cuts(int fork) {
  const auto known = cuts_.find(fork);
  if (known != cuts_.end()) return known->second;
  std::vector<std::pair<int, int>> groups;
  for (int group = 1; group <= all_branches(fork); ++group) {
    int branches = 0;
    for (const int count : space_.counts(fork, group)) branches += count;
    groups.emplace_back(branches, group);
  }
  std::sort(groups.begin(), groups.end());
  std::vector<Cut> result;
  for (const auto& [branches, group] : groups) {
    const int length = space_.length(space_.group_sequence(fork, group));
    const bool is_all = group == all_branches(fork);
    if (!result.empty() && result.size() + at(length) > kMostCuts) continue;
    for (int item = is_all ? 1 : 0; item <= (is_all ? length - 1 : length); ++item) {
      result.push_back({group, item});
    }
  }
  return cuts_[fork] = std::move(result);
}

// Turns steps into stages. Solved are groups of the first branches of each class; what they stand
// for are branches of the network, taken as they come.
class StageSearch::Collector {
 public:
  explicit Collector(const StageSearch& search) : search_(search), space_(search.space_) {}

  void collect(int plan, const std::vector<Item>& items) {
    std::map<int, Group> heads, tails;  // by item
    for (; plan >= 0; plan = search_.steps_[at(plan)].next) {
      const Step& step = search_.steps_[at(plan)];
      const StageParts& parts = step.parts;
      if (step.kind == Step::Kind::kFork) {
        if (step.is_shared) tails[step.item] = heads[step.item];
        collect_fork(step, items[at(step.item)].fork, heads[step.item], tails[step.item]);
        continue;
      }
      ChosenStage stage{{}, step.mode};
      add(items, parts.begin, parts.end, stage);
      if (parts.head_group != 0) {
        const Group& head = take(items[at(parts.end)].fork, parts.head_group, heads[parts.end]);
        add(head, 0, parts.head_end, stage);
      }
      if (parts.tail_group != 0) {
        const int item = parts.begin - 1;
        const Group& tail = take(items[at(item)].fork, parts.tail_group, tails[item]);
        add(tail, parts.tail_begin, static_cast<int>(tail.size()), stage);
      }
      std::sort(stage.operators.begin(), stage.operators.end());
      chosen_.bottleneck_s = std::max(chosen_.bottleneck_s, step.bottleneck_s);
      chosen_.stages.push_back(std::move(stage));
    }
  }

  ChosenStages take_stages() { return std::move(chosen_); }

 private:
  using Group = std::vector<Item>;

  void collect_fork(const Step& step, int fork, Group& head, Group& tail) {
    for (int b = step.inner; b >= 0; b = search_.steps_[at(b)].next) {
      const Step& branches = search_.steps_[at(b)];
      Group whole;
      Group& group = branches.taken == Taken::kNothing ? whole
                     : branches.taken == Taken::kTail  ? tail
                                                       : head;
      collect(branches.inner, take(fork, branches.group, group));
    }
  }

  // Items of branches that are not taken yet, where the group is not known yet.
  const Group& take(int fork, int group, Group& items) {
    if (!items.empty()) return items;
    std::vector<int>& taken = taken_[fork];
    taken.resize(space_.fork(fork).classes.size(), 0);
    const std::vector<int> counts = space_.counts(fork, group);
    for (Index c = 0; c < counts.size(); ++c) {
      for (int n = 0; n < counts[c]; ++n) {
        const int branch = space_.fork(fork).classes[c][at(taken[c]++)];
        const std::vector<Item>& more = space_.sequence(branch).items;
        items.insert(items.end(), more.begin(), more.end());
      }
    }
    return items;
  }

  void add(const std::vector<Item>& items, int begin, int end, ChosenStage& stage) const {
    for (int i = begin; i < end; ++i) {
      for (const int piece : space_.pieces_of(items[at(i)])) {
        const std::vector<int>& operators = space_.operators(piece);
        stage.operators.insert(stage.operators.end(), operators.begin(), operators.end());
      }
    }
  }

  const StageSearch& search_;
  const Space& space_;
  std::map<int, std::vector<int>> taken_;  // by fork, of each class
  ChosenStages chosen_;
};

ChosenStages StageSearch::collect(int plan) const {
  Collector collector(*this);
  collector.collect(plan, space_.sequence(space_.root()).items);
  return collector.take_stages();
}

}  // namespace lamina::pipeline
