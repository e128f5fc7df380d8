// What GraphPipe's planner chooses stages from: pieces of the network, their sequences, forks into
// branches, and what any part of it costs.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/planners/graphpipe_pieces.h"

namespace lamina::pipeline {

// So many pieces are searched without approximations.
constexpr int kFew = 24;

// A piece, or a fork.
struct Item {
  int piece = -1;
  int fork = -1;
};
// Items one after the other.
struct Sequence {
  std::vector<Item> items;
  // Of the items before each, and of all: all passes; and those that a path from a source to a sink
  // and back has to wait for.
  std::vector<Work> before;
  std::vector<Work> path_before;
  std::vector<int> borders;  // where one branch of a bundle ends and the next begins; ascending

  Work work(int begin, int end) const {
    return before[static_cast<std::size_t>(end)] - before[static_cast<std::size_t>(begin)];
  }
  Work path(int begin, int end) const {
    return path_before[static_cast<std::size_t>(end)] -
           path_before[static_cast<std::size_t>(begin)];
  }
  // No item waits for those on the other side.
  bool is_border(int item) const {
    return std::binary_search(borders.begin(), borders.end(), item);
  }
};
// Where a sequence is a branch, or a bundle of branches, of the fork at this item of another one.
struct SequencePlace {
  int sequence = -1;  // none: the root
  int item = 0;
};
// Branches side by side, as sequences; those of a class cost the same in every respect. Or a
// tangle: each member is a class and a branch, and a group is a set of members, member m at bit m.
struct Fork {
  std::vector<std::vector<int>> classes;
  int groups = 1;  // numbers of branches of every class, in one number: from 0 to groups - 1
  std::vector<int> waits_for;  // of a tangle: the set that each member comes behind

  bool is_tangle() const { return !waits_for.empty(); }
};

// A group of branches of a fork one after the other, in this order; members of a tangle together.
struct Bundle {
  int fork = 0;
  int group = 0;
  std::vector<int> classes;  // of the branches; of each class the first ones
  int sequence = 0;
};
constexpr int kNoBundle = -1;

// Some items of one sequence, with the first items of a bundle of the fork behind them, and the
// last items of a bundle of the fork before them.
struct StageParts {
  int begin = 0;
  int end = 0;
  int head = kNoBundle;
  int head_end = 0;
  int tail = kNoBundle;
  int tail_begin = 0;
};

class Space {
 public:
  // `splits`: paths do not wait for weight gradients.
  Space(const Computation& computation, const SpTree& tree, bool splits);

  int root() const { return root_; }
  int forks() const { return static_cast<int>(forks_.size()); }
  int pieces() const { return static_cast<int>(pieces_.size()); }
  const std::vector<int>& operators(int piece) const {
    return pieces_[static_cast<std::size_t>(piece)];
  }
  const Sequence& sequence(int id) const { return sequences_[static_cast<std::size_t>(id)]; }
  int length(int id) const { return static_cast<int>(sequence(id).items.size()); }
  const Fork& fork(int id) const { return forks_[static_cast<std::size_t>(id)]; }
  const Shape& piece_shape(int piece) const {
    return piece_shapes_[static_cast<std::size_t>(piece)];
  }
  const SequencePlace& place(int sequence) const {
    return places_[static_cast<std::size_t>(sequence)];
  }

  std::vector<int> counts(int fork, int group) const;
  // Whether `part` has no more branches of any class than `whole`; then whole - part is a group.
  bool contains(int fork, int whole, int part) const;
  // The group in every order if there are few, else in two; in one where it is a tangle's.
  const std::vector<int>& bundles(int fork, int group);
  const Bundle& bundle(int id) const { return bundles_[static_cast<std::size_t>(id)]; }
  // A new sequence of these branches one after the other.
  int join(const std::vector<int>& branches);

  // The number of a shape, from 0 on; it stays the same.
  int shape_of_parts(int sequence, const StageParts& parts);
  const Shape& shape(int id) const { return shapes_[static_cast<std::size_t>(id)]; }
  std::vector<int> pieces_of(const Item& item) const;

 private:
  using Key = std::array<int, 7>;
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  struct Tensor {
    int home = 0;  // piece
    double bytes = 0.0;
    std::vector<int> readers;  // pieces
  };

  int add_sequence(const SpTree& tree);
  int add_fork(const SpTree& tree);
  int add_tangle(const SpTree& tree);
  Work longest_path(const Fork& fork) const;
  void find_places(int sequence, const SequencePlace& place);
  void append(const Item& item, Sequence& sequence) const;
  int add_bundle(int fork, int group, const std::vector<int>& classes);
  int add_items(const std::vector<Item>& items);
  void add_pieces(const Item& item, std::vector<int>& pieces) const;
  void add_between(int sequence, int begin, int end, std::vector<int>& pieces) const;
  void find_tensors();
  std::string signature(int sequence) const;
  int* known_shape(int sequence, const StageParts& parts);
  Shape compute(const std::vector<int>& pieces);

  const Computation& computation_;
  bool splits_;
  std::vector<std::vector<int>> pieces_;
  std::vector<Shape> piece_shapes_;  // in_bytes and out_bytes left out
  std::vector<Tensor> tensors_;
  std::vector<std::vector<int>> inputs_, outputs_;  // tensors of pieces
  std::deque<Sequence> sequences_;                  // references to its elements stay valid
  std::vector<SequencePlace> places_;               // of sequences
  std::vector<Fork> forks_;
  int root_ = -1;
  int next_piece_ = 0;  // that add_sequence() meets
  std::vector<Bundle> bundles_;
  std::map<std::pair<int, int>, std::vector<int>> bundles_of_;  // by fork and group
  std::vector<Shape> shapes_;
  std::vector<std::vector<int>> shapes_of_items_;  // by sequence, of all begins and ends; -1: none
  std::unordered_map<Key, int, KeyHash> shapes_of_parts_;
  std::vector<int> piece_stamp_, tensor_stamp_;  // of the last call of compute()
  int stamp_ = 0;
};

}  // namespace lamina::pipeline
