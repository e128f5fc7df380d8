// Fronts of labels: what a part of the network can do with how many devices.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "pipeline/planners/graphpipe_price.h"

namespace lamina::pipeline {

struct Label {
  int devices = 0;
  Paths paths;
  int height = 0;  // stages on the longest way to a sink; 0 where memory is not bounded
  int plan = -1;   // what it stands for
};
using Front = std::vector<Label>;  // by devices, fewest first

// Which labels of a growing front are kept: those that none is better than in every respect. Paths
// whose lengths are within the same slop_s count as equal.
class Dominance {
 public:
  explicit Dominance(double slop_s) : slop_s_(slop_s) {}

  // A place for the label, which may be that of one that is dropped for it; -1 where it is covered.
  int place(const Label& label);
  // Places of the labels that are left, by their devices.
  std::vector<int> places() const;

 private:
  // A label. With slop the lengths of its paths in steps of it and its height are in one word, with
  // a bit between them: one subtraction compares them all. Without, what counts is in exact_.
  struct Key {
    std::uint64_t steps = 0;
    int devices = 0;
    int place = 0;
  };
  std::uint64_t steps_of(const Label& label) const;
  int new_place();

  double slop_s_;
  std::vector<Key> keys_;     // by devices
  std::vector<Label> exact_;  // by place
  std::vector<int> free_;     // places
  int places_ = 0;
};

// Collects labels, each with a step that says how it comes about.
template <typename Step>
class GrowingFront {
 public:
  explicit GrowingFront(double slop_s) : dominance_(slop_s) {}

  void add(const Label& label, const Step& step) {
    const int place = dominance_.place(label);
    if (place < 0) return;
    const auto at = static_cast<std::size_t>(place);
    if (at >= labels_.size()) {
      labels_.resize(at + 1);
      steps_.resize(at + 1);
    }
    labels_[at] = label;
    steps_[at] = step;
  }
  // Only labels that are left have their step in `steps`: most come and go.
  Front take(std::vector<Step>& steps) const {
    Front front;
    for (const int place : dominance_.places()) {
      const auto at = static_cast<std::size_t>(place);
      front.push_back(labels_[at]);
      front.back().plan = static_cast<int>(steps.size());
      steps.push_back(steps_[at]);
    }
    return front;
  }

 private:
  Dominance dominance_;
  Front labels_;
  std::vector<Step> steps_;  // of labels_
};

}  // namespace lamina::pipeline
