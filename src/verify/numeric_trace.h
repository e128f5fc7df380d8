// Following a run of the interpreter node by node: where rounding errors grow, and where the first
// value that is not finite comes from.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

// The nodes that are at work, each inside the one before.
class Trail {
 public:
  void enter(const Node& node) {
    if (!steps_.empty()) steps_.back().second = false;
    steps_.emplace_back(&node, true);
  }
  void leave() { steps_.pop_back(); }
  // Whether the innermost node ran no others.
  bool is_leaf() const { return steps_.back().second; }
  // "exp 'e'", "exp 'v2' in softmax 'p'".
  std::string place() const;

 private:
  std::vector<std::pair<const Node*, bool>> steps_;
};

// A number in six digits; the sign of NaN says nothing.
std::string in_words(double x);

// One run of one node: its operands and results as doubles.
struct Visit {
  std::string place;
  std::vector<std::vector<double>> inputs;
  std::vector<std::vector<double>> outputs;
};

// Compares a rounded run with an exact run of the same graph, which goes first. Both visit the same
// nodes in the same order unless a branch was decided otherwise; what follows then is left out.
class Trace {
 public:
  // Where the error grew most: relative to the size of the tensor, before and after the node.
  struct Growth {
    std::string place;
    double before = 0.0;
    double after = 0.0;
  };

  void record(Visit visit) { exact_.push_back(std::move(visit)); }
  void compare(const Visit& rounded);

  // The node that amplified errors most among those after which they are above `tolerance`;
  // errors before a node count as at least `unit`.
  std::optional<Growth> worst_growth(double unit, double tolerance) const;
  // "exp 'e' of 95.3 is inf"; empty when all was finite.
  const std::string& first_not_finite() const { return first_not_finite_; }

 private:
  std::vector<Visit> exact_;
  std::vector<Growth> growths_;
  std::size_t next_ = 0;
  std::string first_not_finite_;
};

}  // namespace lamina
