// Labels of ranges of sequences, from the sinks to the sources: a stage takes the last items that
// are left, or a fork there is cut into branches that are solved by themselves.
#include "pipeline/planners/graphpipe_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "pipeline/index.h"

namespace lamina::pipeline {
namespace {

using Index = std::size_t;

// Places where the bundles of all forks may be cut, and those of one fork at least.
constexpr int kMostCuts = 264, kFewestCuts = 8;
constexpr int kMostCutsOfBundle = 48;
// Items of a bundle of several branches. What would need longer ones is left to the search over all
// operators in a line.
constexpr int kLongestBundle = 256;

}  // namespace

std::optional<ChosenStages> StageSearch::shortest(const Limits& limits) {
  if (!bounds_.set_limits(limits)) return std::nullopt;
  limits_ = limits;
  ++searches_;
  bounded_options_.clear();
  steps_.clear();
  solved_.clear();
  branches_.clear();
  open_forks_.clear();
  tangles_.clear();
  const Front& front = solve({space_.root(), 0, space_.length(space_.root()), 0});
  if (front.empty()) return std::nullopt;
  const auto best =
      std::min_element(front.begin(), front.end(), [](const Label& a, const Label& b) {
        return std::pair(a.paths.all_s, a.devices) < std::pair(b.paths.all_s, b.devices);
      });
  ChosenStages chosen = collect(best->plan);
  chosen.path_s = best->paths.all_s;
  return chosen;
}

// Ways to run a stage within the limits, each faster than those with fewer devices.
std::vector<StageSearch::Option> StageSearch::compute_options(const Shape& shape,
                                                              int height) const {
  std::vector<Option> options;
  for (const int devices : pricing_.degrees()) {
    const auto mode = pricing_.fastest(shape, devices, height, limits_.memory_bytes);
    if (!mode) continue;
    const StagePrice price = pricing_.price(shape, *mode);
    if (price.bottleneck_s > limits_.bottleneck_s) continue;
    if (options.empty() || price.path_s < options.back().price.path_s) {
      options.push_back({*mode, price});
    }
  }
  return options;
}

const std::vector<StageSearch::Option>& StageSearch::options(int shape, int height) {
  if (height > 0) {
    const auto [place, is_new] = bounded_options_.try_emplace({shape, height});
    if (is_new) place->second = compute_options(space_.shape(shape), height);
    return place->second;
  }
  if (options_.size() <= at(shape)) options_.resize(at(shape) + at(shape) / 2 + 1);
  Options& known = options_[at(shape)];
  if (known.search != searches_) {
    known.search = searches_;
    known.options = compute_options(space_.shape(shape), 0);
  }
  return known.options;
}

Front StageSearch::take(const Growing& front) {
  Front labels = front.take(steps_);
  labels_ += static_cast<std::int64_t>(labels.size());
  return labels;
}

const Front& StageSearch::solve(const Range& range) {
  const auto known = solved_.find(range);
  if (known != solved_.end()) return known->second;
  Solving solving{range, Fronts(at(range.end - range.begin + 1)),
                  bounds_.left_for(range.sequence, range.begin, range.end)};
  growing(solving, range.end, Cut{});
  for (int place = range.end; place > range.begin; --place) {
    // A stage without items of its own adds to fronts of the item before, never to these.
    for (const auto& [head, growing] : solving.fronts_at(place)) {
      const Front front = place == range.end ? Front{{0, {}, range.height, -1}} : take(growing);
      if (front.empty() || deadline_.passed()) continue;
      add_stages(solving, place, head, front);
      const int fork = space_.sequence(range.sequence).items[at(place - 1)].fork;
      if (head.bundle == kNoBundle && fork >= 0) add_fork(solving, place - 1, Cut{}, front);
    }
  }
  return solved_[range] = take(growing(solving, range.begin, Cut{}));
}

void StageSearch::add_stages(Solving& solving, int place, const Cut& head, const Front& from) {
  const int first = solving.range.begin;
  for (int begin = place; begin >= first; --begin) {
    StageParts parts{begin, place, head.bundle, head.item, kNoBundle, 0};
    if (begin < place && !add_stage(solving, parts, from)) break;
    if (begin == first || (begin == place && head.bundle == kNoBundle)) continue;
    const int fork = space_.sequence(solving.range.sequence).items[at(begin - 1)].fork;
    if (fork < 0 || space_.sequence(solving.range.sequence).is_border(begin)) continue;
    for (const Cut& cut : cuts(fork)) {
      parts.tail = cut.bundle;
      parts.tail_begin = cut.item;
      if (cut.item < space_.length(space_.bundle(cut.bundle).sequence)) {
        add_stage(solving, parts, from);
      }
    }
  }
}

// False where the stage takes too long, however many devices it has.
bool StageSearch::add_stage(Solving& solving, const StageParts& parts, const Front& from) {
  const bool cuts_fork = parts.tail != kNoBundle;
  const Left& left = solving.left_at(cuts_fork ? solving.range.begin : parts.begin);
  const int shape = space_.shape_of_parts(solving.range.sequence, parts);
  if (pricing_.least_seconds(space_.shape(shape).work()) > limits_.bottleneck_s) return false;
  Growing behind_tail(limits_.slop_s);
  Growing& to = cuts_fork ? behind_tail : growing(solving, parts.begin, Cut{});
  if (std::isfinite(limits_.memory_bytes)) {
    for (const Label& label : from) {
      for (const Option& option : options(shape, label.height + 1)) {
        add_labels(left, parts, option, std::span(&label, 1), to);
      }
    }
  } else {
    for (const Option& option : options(shape, 0)) add_labels(left, parts, option, from, to);
  }
  if (cuts_fork) {
    const Front labels = take(behind_tail);
    if (!labels.empty()) {
      add_fork(solving, parts.begin - 1, {parts.tail, parts.tail_begin}, labels);
    }
  }
  return true;
}

// The stage before each of the labels, which are by devices.
void StageSearch::add_labels(const Left& left, const StageParts& parts, const Option& option,
                             std::span<const Label> labels, Growing& to) const {
  Step step;
  step.parts = parts;
  step.mode = option.mode;
  step.bottleneck_s = option.price.bottleneck_s;
  const bool has_height = std::isfinite(limits_.memory_bytes);
  for (const Label& label : labels) {
    if (label.devices + option.mode.devices > left.devices) return;
    Label added{label.devices + option.mode.devices, label.paths.behind(option.price),
                has_height ? label.height + 1 : 0, -1};
    if (left.is_last) added.paths.forward_s = 0.0;
    if (!bounds_.allows(left, added)) continue;
    step.next = label.plan;
    to.add(added, step);
  }
}

// Solves the branches of the fork at `item`, but the tail that a stage behind it took, in every way
// that leaves the stage before it a head.
void StageSearch::add_fork(Solving& solving, int item, const Cut& tail, const Front& from) {
  const int fork = space_.sequence(solving.range.sequence).items[at(item)].fork;
  add_open_fork(solving, item, {fork, tail, {}, false, 0}, from);
  const Sequence& own = space_.sequence(solving.range.sequence);
  if (item == solving.range.begin || own.is_border(item)) return;
  for (const Cut& head : cuts(fork)) {
    if (head.item == 0) continue;
    if (space_.contains(fork, all_branches(fork) - group_of(tail), group_of(head))) {
      add_open_fork(solving, item, {fork, tail, head, false, 0}, from);
    }
    if (head.bundle == tail.bundle && head.item <= tail.item) {
      add_open_fork(solving, item, {fork, tail, head, true, 0}, from);
    }
  }
}

void StageSearch::add_open_fork(Solving& solving, int item, const OpenFork& open,
                                const Front& from) {
  if (from.empty()) return;
  const Left& left = solving.left_at(item);
  const auto fewest =
      std::min_element(from.begin(), from.end(),
                       [](const Label& a, const Label& b) { return a.devices < b.devices; });
  if (fewest->devices + least_devices(solving, item, open) > left.devices) return;
  Growing& to = growing(solving, item, open.head);
  OpenFork own = open;
  for (const Label& label : from) {
    own.height = label.height;
    for (const Label& branches : beside(own)) {
      const Label both{label.devices + branches.devices, label.paths.behind(branches.paths),
                       branches.height, -1};
      if (!bounds_.allows(left, both)) continue;
      Step step;
      step.kind = Step::Kind::kFork;
      step.next = label.plan;
      step.inner = branches.plan;
      step.item = item;
      step.is_shared = open.is_shared;
      to.add(both, step);
    }
  }
}

// Devices for the branches that the fork is left with, and for the head beside those for the items
// before it.
int StageSearch::least_devices(const Solving& solving, int item, const OpenFork& open) const {
  const Sequence& own = space_.sequence(solving.range.sequence);
  const auto taken = [&](const Cut& cut, bool is_head) {
    if (cut.bundle == kNoBundle) return Work{};
    const Sequence& branches = space_.sequence(space_.bundle(cut.bundle).sequence);
    const auto length = static_cast<int>(branches.items.size());
    return is_head ? branches.work(0, cut.item) : branches.work(cut.item, length);
  };
  const Work head = taken(open.head, true);
  const Work before = own.work(solving.range.begin, item);
  return bounds_.least_devices(own.work(item, item + 1) - head - taken(open.tail, false)) +
         bounds_.least_devices(before + head) - bounds_.least_devices(before);
}

std::size_t StageSearch::OpenForkHash::operator()(const OpenFork& open) const {
  std::uint64_t hash = open.is_shared ? 1 : 0;
  for (const int part : {open.fork, open.tail.bundle, open.tail.item, open.head.bundle,
                         open.head.item, open.height}) {
    hash = (hash ^ static_cast<std::uint64_t>(part)) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 29;
  }
  return hash;
}

const Front& StageSearch::beside(const OpenFork& open) {
  const auto known = open_forks_.find(open);
  if (known != open_forks_.end()) return known->second;
  return open_forks_[open] = solve_beside(open);
}

Front StageSearch::solve_beside(const OpenFork& open) {
  if (space_.fork(open.fork).is_tangle()) return solve_tangle(open);
  const int taken = group_of(open.tail) + (open.is_shared ? 0 : group_of(open.head));
  Front front = whole_branches(open.fork, all_branches(open.fork) - taken, open.height);
  if (open.is_shared) {
    add_branches(open, Taken::kBoth, front);
  } else {
    if (open.tail.bundle != kNoBundle) add_branches(open, Taken::kTail, front);
    if (open.head.bundle != kNoBundle) add_branches(open, Taken::kHead, front);
  }
  return front;
}

// What is left of a bundle.
void StageSearch::add_branches(const OpenFork& open, Taken taken, Front& front) {
  Step branches;
  branches.kind = Step::Kind::kBranches;
  branches.bundle = taken == Taken::kHead ? open.head.bundle : open.tail.bundle;
  branches.taken = taken;
  const int sequence = space_.bundle(branches.bundle).sequence;
  const Range range{sequence, taken == Taken::kTail ? 0 : open.head.item,
                    taken == Taken::kHead ? space_.length(sequence) : open.tail.item, open.height};
  if (range.begin < range.end) front = with_branches(front, solve(range), branches);
}

// The fronts of branches side by side: `left` has a list of kBranches, `right` the stages of one.
Front StageSearch::with_branches(const Front& left, const Front& right, const Step& branches) {
  Growing front(limits_.slop_s);
  for (const Label& one : left) {
    for (const Label& other : right) {
      const Label both{one.devices + other.devices, one.paths.beside(other.paths),
                       std::max(one.height, other.height), -1};
      if (both.devices > pricing_.devices().count || both.paths.all_s > limits_.path_s) continue;
      Step step = branches;
      step.next = one.plan;
      step.inner = other.plan;
      front.add(both, step);
    }
  }
  return take(front);
}

// A group of whole branches, in every way to part it into sequences.
const Front& StageSearch::whole_branches(int fork, int group, int height) {
  const std::array<int, 3> key = {fork, group, height};
  const auto known = branches_.find(key);
  if (known != branches_.end()) return known->second;
  if (group == 0) return branches_[key] = {{0, {}, height, -1}};
  Growing front(limits_.slop_s);
  const std::vector<int> counts = space_.counts(fork, group);
  const auto first = std::find_if(counts.begin(), counts.end(), [](int n) { return n > 0; });
  for (int part = 1; part <= group; ++part) {
    if (!space_.contains(fork, group, part)) continue;
    if (space_.counts(fork, part)[at(static_cast<int>(first - counts.begin()))] == 0) continue;
    const Front others = whole_branches(fork, group - part, height);
    for (const int bundle : space_.bundles(fork, part)) {
      const int sequence = space_.bundle(bundle).sequence;
      const bool joins = space_.bundle(bundle).classes.size() > 1;
      if (joins && space_.length(sequence) > kLongestBundle) continue;
      const Front stages = solve({sequence, 0, space_.length(sequence), height});
      Step branches;
      branches.kind = Step::Kind::kBranches;
      branches.bundle = bundle;
      for (const Label& label : with_branches(others, stages, branches)) {
        const Step step = steps_[at(label.plan)];
        front.add(label, step);
      }
    }
  }
  return branches_[key] = take(front);
}

// Of every bundle at every item, from its first to behind its last, but not all of the fork. Where
// these are too many: of fewer bundles, and at fewer items.
const std::vector<StageSearch::Cut>& StageSearch::cuts(int fork) {
  const auto known = cuts_.find(fork);
  if (known != cuts_.end()) return known->second;
  const int share = space_.pieces() <= kFew ? 1 : space_.forks();
  const int most = std::max(kMostCuts / share, kFewestCuts);
  if (space_.fork(fork).is_tangle()) return cuts_[fork] = cuts_of_tangle(fork, most);
  std::vector<std::pair<int, int>> groups;  // with their numbers of branches
  for (int group = 1; group <= all_branches(fork); ++group) {
    const std::vector<int> counts = space_.counts(fork, group);
    groups.emplace_back(std::accumulate(counts.begin(), counts.end(), 0), group);
  }
  std::sort(groups.begin(), groups.end());
  std::vector<Cut> result;
  for (const auto& [branches, group] : groups) {
    const bool is_all = group == all_branches(fork);
    for (const int bundle : space_.bundles(fork, group)) {
      const int length = space_.length(space_.bundle(bundle).sequence);
      const int step = length / std::min(most, kMostCutsOfBundle) + 1;
      if (!result.empty() && static_cast<int>(result.size()) + length / step > most) continue;
      for (int item = is_all ? step : 0; item < length; item += step) {
        result.push_back({bundle, item});
      }
      if (!is_all) result.push_back({bundle, length});
    }
  }
  return cuts_[fork] = std::move(result);
}

}  // namespace lamina::pipeline
