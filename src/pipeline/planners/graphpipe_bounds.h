// What the rest of the network needs at least, whatever a label of the search stands for: labels
// that leave too little are of no use.
#pragma once

#include <algorithm>
#include <vector>

#include "pipeline/planners/graphpipe_front.h"
#include "pipeline/planners/graphpipe_price.h"
#include "pipeline/planners/graphpipe_space.h"

namespace lamina::pipeline {

// What stages have to keep.
struct SearchLimits {
  double bottleneck_s = 0.0;
  double path_s = 0.0;
  double memory_bytes = 0.0;  // of a device; infinite: heights do not matter
  double slop_s = 0.0;        // paths whose lengths differ by less count as equal
};

// Of a path: seconds where every piece has as many devices as it may have for itself, and what
// devices share and each has to do where there are only so many.
struct LeastPath {
  double forward_s = 0.0;
  double back_s = 0.0;
  double shared_s = 0.0;
  double fixed_s = 0.0;

  LeastPath operator+(const LeastPath& more) const {
    return {forward_s + more.forward_s, back_s + more.back_s, shared_s + more.shared_s,
            fixed_s + more.fixed_s};
  }
  LeastPath beside(const LeastPath& other) const {
    const LeastPath& longer = shared_s < other.shared_s ? other : *this;
    return {std::max(forward_s, other.forward_s), std::max(back_s, other.back_s), longer.shared_s,
            longer.fixed_s};
  }
  LeastPath operator-(const LeastPath& less) const {
    return {forward_s - less.forward_s, back_s - less.back_s, shared_s - less.shared_s,
            fixed_s - less.fixed_s};
  }
};

// What labels at an item of a range may use: the items before it and the rest of the network need
// something too.
struct Left {
  int devices = 0;
  double devices_of_path = 0.0;  // that a path through the label and what comes before it has
  LeastPath path;                // before the items of the label, and outside of the range
  bool is_last = false;          // nothing comes behind: forward passes to there do not matter
};

class Bounds {
 public:
  Bounds(const Space& space, const Pricing& pricing) : space_(space), pricing_(pricing) {}

  // For what follows. False where a piece alone breaks the limits.
  bool set_limits(const SearchLimits& limits);
  // By item, from `begin` to `end`.
  std::vector<Left> left_for(int sequence, int begin, int end);
  bool allows(const Left& left, const Label& label) const;
  // That can do it in the time of the bottleneck.
  int least_devices(const Work& work) const;

 private:
  const std::vector<LeastPath>& before(int sequence);
  LeastPath path(int sequence, int begin, int end) {
    const std::vector<LeastPath>& sums = before(sequence);
    return sums[static_cast<std::size_t>(end)] - sums[static_cast<std::size_t>(begin)];
  }
  LeastPath of_item(const Item& item);
  LeastPath around(int sequence);

  const Space& space_;
  const Pricing& pricing_;
  SearchLimits limits_;
  std::vector<LeastPath> pieces_;
  std::vector<std::vector<LeastPath>> before_;  // by sequence: sums over the items before each
};

}  // namespace lamina::pipeline
