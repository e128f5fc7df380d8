// Downsets: sets of operators that are closed under predecessors ("ideals" in some papers, and what
// an antichain is the border of in others). They are the states of planners that cut a network into
// a chain of stages: every prefix of such a chain is a downset, and a stage is what one downset has
// and a smaller one, inside it, has not.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/planners/deadline.h"

namespace lamina::pipeline {

class Downsets {
 public:
  // Edges from producers to consumers among `nodes` nodes. Stops when there are more than `limit`
  // or the deadline passes: complete() is false then, and reason() says why.
  Downsets(int nodes, const std::vector<std::pair<int, int>>& edges, int limit,
           const Deadline& deadline);

  bool complete() const { return reason_.empty(); }
  const std::string& reason() const { return reason_; }

  // From 0, the empty one, to size() - 1, which has all nodes; by number of nodes.
  int size() const { return static_cast<int>(words_.size() / width_); }
  int nodes() const { return nodes_; }
  bool has(int set, int node) const {
    return ((word(set, static_cast<std::size_t>(node) / 64) >> (node % 64)) & 1) != 0;
  }
  // Whether all nodes of `inner` are in `outer`.
  bool inside(int inner, int outer) const {
    for (std::size_t w = 0; w < width_; ++w) {
      if ((word(inner, w) & ~word(outer, w)) != 0) return false;
    }
    return true;
  }
  // The nodes of `outer` that are not in `inner`, ascending.
  std::vector<int> between(int inner, int outer) const;
  // Of every set, the sum over its nodes.
  std::vector<double> sums(const std::vector<double>& values) const;

  // The words of a set, node n at bit n % 64 of word n / 64.
  const std::uint64_t* bits(int set) const {
    return words_.data() + static_cast<std::size_t>(set) * width_;
  }
  std::size_t width() const { return width_; }

 private:
  std::uint64_t word(int set, std::size_t w) const {
    return words_[static_cast<std::size_t>(set) * width_ + w];
  }

  int nodes_ = 0;
  std::size_t width_ = 1;
  std::vector<std::uint64_t> words_;
  std::string reason_;
};

// Values that go from one node to others, and what moving one costs.
struct Flow {
  int producer = 0;
  std::vector<int> consumers;
  double cost = 0.0;
};

// What crosses the borders of sets and of stages, each flow once.
class Crossings {
 public:
  Crossings(const Downsets& sets, const std::vector<Flow>& flows);

  // All that one side of the border of a set has and the other side needs.
  double border(int set) const { return border_[static_cast<std::size_t>(set)]; }
  struct Cost {
    double in = 0.0;   // made outside, needed inside the stage
    double out = 0.0;  // made inside, needed outside
  };
  // Of the stage `outer` without `inner`.
  Cost of_stage(int inner, int outer) const;

 private:
  struct Crossing {
    std::size_t members = 0;  // of members_: the nodes that the flow touches
    int producer = 0;
    double cost = 0.0;
  };

  const Downsets& sets_;
  std::vector<std::uint64_t> members_;
  std::vector<std::vector<Crossing>> crossing_;  // by set
  std::vector<double> border_;
};

}  // namespace lamina::pipeline
