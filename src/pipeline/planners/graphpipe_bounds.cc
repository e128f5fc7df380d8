// Bounds of devices, of the time of a path, and of both together.
#include "pipeline/planners/graphpipe_bounds.h"

#include <algorithm>
#include <cmath>

#include "pipeline/index.h"

namespace lamina::pipeline {
namespace {

constexpr double kRounding = 1e-9;

}  // namespace

bool Bounds::set_limits(const SearchLimits& limits) {
  limits_ = limits;
  before_.clear();
  pieces_.clear();
  for (int piece = 0; piece < space_.pieces(); ++piece) {
    const Shape& shape = space_.piece_shape(piece);
    const auto seconds = pricing_.least_path(shape, limits.bottleneck_s, limits.path_s);
    if (!seconds) return false;
    const Work work = pricing_.path_work(shape);
    pieces_.push_back({seconds->forward_s, seconds->back_s, pricing_.shared_seconds(work),
                       pricing_.fixed_seconds(work)});
  }
  return true;
}

int Bounds::least_devices(const Work& work) const {
  constexpr double kLittle = 1e-6;
  const double devices = pricing_.device_seconds(work) / limits_.bottleneck_s;
  return static_cast<int>(std::ceil(devices - kLittle));
}

LeastPath Bounds::of_item(const Item& item) {
  if (item.piece >= 0) return pieces_[at(item.piece)];
  const Fork& fork = space_.fork(item.fork);
  LeastPath longest;
  std::vector<LeastPath> paths;  // that end with members of a tangle
  for (const auto& alike : fork.classes) {
    LeastPath path;
    for (std::size_t m = 0; fork.is_tangle() && m < paths.size(); ++m) {
      if ((fork.waits_for[paths.size()] >> m & 1) != 0) path = path.beside(paths[m]);
    }
    paths.push_back(path + before(alike.front()).back());
    longest = longest.beside(paths.back());
  }
  return longest;
}

const std::vector<LeastPath>& Bounds::before(int sequence) {
  if (before_.size() <= at(sequence)) before_.resize(at(sequence) + 1);
  if (before_[at(sequence)].empty()) {
    std::vector<LeastPath> sums = {{}};
    for (const Item& item : space_.sequence(sequence).items) {
      sums.push_back(sums.back() + of_item(item));
    }
    before_[at(sequence)] = std::move(sums);
  }
  return before_[at(sequence)];
}

// All sequences that the sequence is in, but for the fork that it is a branch or a bundle of.
LeastPath Bounds::around(int sequence) {
  LeastPath sum;
  while (sequence != space_.root()) {
    const SequencePlace& place = space_.place(sequence);
    sequence = place.sequence;
    sum = sum + before(sequence).back() - path(sequence, place.item, place.item + 1);
  }
  return sum;
}

std::vector<Left> Bounds::left_for(int sequence, int begin, int end) {
  const Sequence& own = space_.sequence(sequence);
  const Work all = space_.sequence(space_.root()).before.back();
  const int count = pricing_.devices().count;
  const int others = least_devices(all - own.work(begin, end));
  const LeastPath outside = before(sequence).back() - path(sequence, begin, end) + around(sequence);
  std::vector<Left> lefts;
  for (int item = begin; item <= end; ++item) {
    Left left;
    left.is_last = sequence == space_.root();
    left.devices = count - others - least_devices(own.work(begin, item));
    left.path = outside + path(sequence, begin, item);
    // Stages of the path share its devices with whatever else they compute. Where weight gradients
    // wait the path may not wait for that.
    const double beside_s =
        pricing_.device_seconds(all - own.work(item, end)) - left.path.shared_s - left.path.fixed_s;
    left.devices_of_path = count;
    if (!pricing_.splits()) left.devices_of_path -= beside_s / limits_.bottleneck_s;
    lefts.push_back(left);
  }
  return lefts;
}

// While stages before it run backward passes sums of gradients go on.
bool Bounds::allows(const Left& left, const Label& label) const {
  if (label.devices > left.devices) return false;
  const double limit_s = limits_.path_s * (1.0 + kRounding);
  if (label.paths.all_s + left.path.forward_s > limit_s) return false;
  if (label.paths.back_s + left.path.back_s > limit_s) return false;
  const double shared_s = limit_s - label.paths.back_s - left.path.fixed_s;
  return shared_s * (left.devices_of_path - label.devices + kRounding) >=
         left.path.shared_s * (1.0 - kRounding);
}

}  // namespace lamina::pipeline
