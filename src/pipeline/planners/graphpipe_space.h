// What GraphPipe's planner chooses stages from: pieces of the network, their sequences, forks into
// branches, and what any part of it costs.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "pipeline/planners/series_parallel.h"

namespace lamina::pipeline {

// What operators cost together, whatever the micro-batch.
struct Shape {
  std::array<double, 3> rate_s{};   // a sample: forward, input gradient, weight gradient
  std::array<double, 3> fixed_s{};  // a pass
  double parameter_bytes = 0.0;
  double saved_bytes = 0.0;      // a sample
  double workspace_bytes = 0.0;  // a sample
  double in_bytes = 0.0;         // a sample: tensors that come from outside
  double out_bytes = 0.0;        // a sample: tensors needed outside, each once
  bool has_inputs = false;       // from other operators, be they empty

  void add(const Operator& op);
  double rate() const { return rate_s[0] + rate_s[1] + rate_s[2]; }
  double fixed() const { return fixed_s[0] + fixed_s[1] + fixed_s[2]; }
};
Shape shape_of(const Computation& computation, const std::vector<int>& operators);

// Merges neighbours in series, and whole parts of the tree, as long as together they take at most
// `grain_s` seconds a sample.
SpTree coarsen(const Computation& computation, SpTree tree, double grain_s);

// A piece, or a fork.
struct Item {
  int piece = -1;
  int fork = -1;
};
// Items one after the other.
struct Sequence {
  std::vector<Item> items;
  std::vector<double> rate_before;   // seconds a sample of the items before each, and of all
  std::vector<double> fixed_before;  // seconds a pass
};
// Branches side by side, as sequences; those of a class cost the same in every respect.
struct Fork {
  std::vector<std::vector<int>> classes;
  int groups = 1;  // numbers of branches of every class, in one number: from 0 to groups - 1
};

// Some items of one sequence, with the first items of a group of branches of the fork behind them,
// and the last items of a group of the fork before them. Group 0 has no branches.
struct StageParts {
  int begin = 0;
  int end = 0;
  int head_group = 0;
  int head_end = 0;
  int tail_group = 0;
  int tail_begin = 0;
};

class Space {
 public:
  Space(const Computation& computation, const SpTree& tree);

  int root() const { return root_; }
  int pieces() const { return static_cast<int>(pieces_.size()); }
  const std::vector<int>& operators(int piece) const {
    return pieces_[static_cast<std::size_t>(piece)];
  }
  const Sequence& sequence(int id) const { return sequences_[static_cast<std::size_t>(id)]; }
  int length(int id) const { return static_cast<int>(sequence(id).items.size()); }
  const Fork& fork(int id) const { return forks_[static_cast<std::size_t>(id)]; }

  std::vector<int> counts(int fork, int group) const;
  // Whether `part` has no more branches of any class than `whole`; then whole - part is a group.
  bool contains(int fork, int whole, int part) const;
  // The first branches of each class, one after the other.
  int group_sequence(int fork, int group);
  // A new sequence of these branches one after the other.
  int join(const std::vector<int>& branches);

  const Shape& shape(int sequence, const StageParts& parts);
  std::vector<int> pieces_of(const Item& item) const;

 private:
  struct Tensor {
    int home = 0;  // piece
    double bytes = 0.0;
    std::vector<int> readers;  // pieces
  };

  int add_sequence(const SpTree& tree);
  int add_fork(const SpTree& tree);
  int add_items(std::vector<Item> items);
  void add_pieces(const Item& item, std::vector<int>& pieces) const;
  std::vector<int> pieces_between(int sequence, int begin, int end) const;
  void find_tensors();
  std::string signature(int sequence) const;
  Shape compute(const std::vector<int>& pieces);

  const Computation& computation_;
  std::vector<std::vector<int>> pieces_;
  std::vector<Shape> piece_shapes_;  // in_bytes and out_bytes left out
  std::vector<Tensor> tensors_;
  std::vector<std::vector<int>> inputs_, outputs_;  // tensors of pieces
  std::vector<Sequence> sequences_;
  std::vector<Fork> forks_;
  int root_ = -1;
  int next_piece_ = 0;  // that add_sequence() meets
  std::map<std::pair<int, int>, int> group_sequences_;
  std::map<std::array<int, 7>, Shape> shapes_;
  std::vector<int> piece_stamp_, tensor_stamp_;  // of the last call of compute()
  int stamp_ = 0;
};

}  // namespace lamina::pipeline
