// Pieces, sequences and forks of a series-parallel tree, and what parts of them cost.
#include "pipeline/planners/graphpipe_space.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "pipeline/index.h"

namespace lamina::pipeline {
namespace {

using Index = std::size_t;

constexpr Index kWeightGradient = 2;  // among the passes of a shape

// Groups of branches that a fork may have. Beyond that its smallest branches become one.
constexpr int kMostGroups = 64;
// Orders of a group's branches.
constexpr Index kMostOrders = 6;

void add_leaves(const SpTree& tree, std::vector<std::vector<int>>& leaves) {
  if (tree.kind == SpTree::Kind::kOperators) leaves.push_back(tree.operators);
  for (const SpTree& child : tree.children) add_leaves(child, leaves);
}

}  // namespace

Space::Space(const Computation& computation, const SpTree& tree, bool splits)
    : computation_(computation), splits_(splits) {
  add_leaves(tree, pieces_);
  for (const std::vector<int>& operators : pieces_) {
    Shape shape;
    for (const int op : operators) shape.add(computation.operators[at(op)]);
    piece_shapes_.push_back(shape);
  }
  find_tensors();
  root_ = add_sequence(tree);
  places_.resize(sequences_.size());
  find_places(root_, {});
}

void Space::find_places(int id, const SequencePlace& place) {
  places_[at(id)] = place;
  for (int i = 0; i < length(id); ++i) {
    const int fork_id = sequence(id).items[at(i)].fork;
    if (fork_id < 0) continue;
    for (const auto& alike : fork(fork_id).classes) {
      for (const int branch : alike) find_places(branch, {id, i});
    }
  }
}

void Space::find_tensors() {
  std::vector<int> home(computation_.operators.size(), -1);
  for (Index p = 0; p < pieces_.size(); ++p) {
    for (const int op : pieces_[p]) home[at(op)] = static_cast<int>(p);
  }
  std::map<int, Tensor> by_producer;
  for (const Edge& edge : computation_.edges) {
    const int from = home[at(edge.from)], to = home[at(edge.to)];
    if (from == to) continue;
    Tensor& tensor = by_producer[edge.from];
    tensor.home = from;
    tensor.bytes = std::max(tensor.bytes, edge.bytes);
    if (std::count(tensor.readers.begin(), tensor.readers.end(), to) == 0) {
      tensor.readers.push_back(to);
    }
  }
  inputs_.resize(pieces_.size());
  outputs_.resize(pieces_.size());
  for (auto& [producer, tensor] : by_producer) {
    const auto id = static_cast<int>(tensors_.size());
    outputs_[at(tensor.home)].push_back(id);
    for (const int reader : tensor.readers) inputs_[at(reader)].push_back(id);
    tensors_.push_back(std::move(tensor));
  }
  piece_stamp_.assign(pieces_.size(), 0);
  tensor_stamp_.assign(tensors_.size(), 0);
}

int Space::add_items(const std::vector<Item>& items) {
  Sequence sequence{{}, {Work{}}, {Work{}}, {}};
  for (const Item& item : items) append(item, sequence);
  sequences_.push_back(std::move(sequence));
  return static_cast<int>(sequences_.size()) - 1;
}

void Space::append(const Item& item, Sequence& to) const {
  Work work, path;
  if (item.piece >= 0) {
    const Shape& shape = piece_shapes_[at(item.piece)];
    for (Index pass = 0; pass < shape.rate_s.size(); ++pass) {
      const Work own{shape.rate_s[pass], shape.fixed_s[pass]};
      work = work + own;
      if (pass != kWeightGradient || !splits_) path = path + own;
    }
  } else {
    for (const auto& alike : fork(item.fork).classes) {
      for (const int branch : alike) work = work + sequence(branch).before.back();
    }
    path = longest_path(fork(item.fork));
  }
  to.items.push_back(item);
  to.before.push_back(to.before.back() + work);
  to.path_before.push_back(to.path_before.back() + path);
}

Work Space::longest_path(const Fork& fork) const {
  Work longest;
  std::vector<Work> paths;  // that end with members of a tangle
  for (const auto& alike : fork.classes) {
    for (const int branch : alike) {
      Work path;
      for (Index before = 0; fork.is_tangle() && before < paths.size(); ++before) {
        if ((fork.waits_for[paths.size()] >> before & 1) == 0) continue;
        if (paths[before].rate_s > path.rate_s) path = paths[before];
      }
      paths.push_back(path + sequence(branch).path_before.back());
      if (paths.back().rate_s > longest.rate_s) longest = paths.back();
    }
  }
  return longest;
}

// Leaves are met in the order in which the constructor made pieces of them.
int Space::add_sequence(const SpTree& tree) {
  std::vector<Item> items;
  const auto add = [&](const SpTree& part) {
    if (part.kind == SpTree::Kind::kOperators) {
      items.push_back({next_piece_++, -1});
    } else {
      const bool is_tangle = part.kind == SpTree::Kind::kTangle;
      items.push_back({-1, is_tangle ? add_tangle(part) : add_fork(part)});
    }
  };
  if (tree.kind == SpTree::Kind::kSeries) {
    for (const SpTree& child : tree.children) add(child);
  } else {
    add(tree);
  }
  return add_items(items);
}

int Space::add_fork(const SpTree& tree) {
  std::vector<int> branches;
  for (const SpTree& child : tree.children) branches.push_back(add_sequence(child));
  Fork fork;
  while (true) {
    std::map<std::string, Index> known;
    fork = {};
    for (const int branch : branches) {
      const auto [place, is_new] = known.emplace(signature(branch), fork.classes.size());
      if (is_new) fork.classes.emplace_back();
      fork.classes[place->second].push_back(branch);
    }
    for (const auto& alike : fork.classes) {
      fork.groups = std::min(fork.groups * (static_cast<int>(alike.size()) + 1), 1 << 20);
    }
    if (fork.groups <= kMostGroups) break;
    std::stable_sort(branches.begin(), branches.end(), [&](int a, int b) {
      return sequence(a).before.back().rate_s > sequence(b).before.back().rate_s;
    });
    const int smallest = branches.back();
    branches.pop_back();
    branches.back() = join({branches.back(), smallest});
  }
  forks_.push_back(std::move(fork));
  return static_cast<int>(forks_.size()) - 1;
}

int Space::add_tangle(const SpTree& tree) {
  Fork fork;
  std::map<int, Index> members;  // by operator
  for (const SpTree& child : tree.children) {
    members.emplace(child.operators.front(), members.size());
    fork.classes.push_back({add_sequence(child)});
  }
  fork.groups = 1 << members.size();
  fork.waits_for.assign(members.size(), 0);
  for (const auto& [op, member] : members) {  // ascending: all that one waits for are done before
    for (const Edge& edge : computation_.edges) {
      if (edge.to != op || !members.contains(edge.from)) continue;
      const Index from = members[edge.from];
      fork.waits_for[member] |= 1 << from | fork.waits_for[from];
    }
  }
  forks_.push_back(std::move(fork));
  return static_cast<int>(forks_.size()) - 1;
}

void Space::add_pieces(const Item& item, std::vector<int>& pieces) const {
  if (item.piece >= 0) {
    pieces.push_back(item.piece);
    return;
  }
  for (const auto& alike : fork(item.fork).classes) {
    for (const int branch : alike) {
      for (const Item& each : sequence(branch).items) add_pieces(each, pieces);
    }
  }
}

// All that costs of stages depend on. What is outside is told by its index: the branches of a fork
// have the same outside.
std::string Space::signature(int id) const {
  std::string text;
  std::vector<int> pieces;
  for (const Item& item : sequence(id).items) {
    const Index before = pieces.size();
    add_pieces(item, pieces);
    const bool is_tangle = item.fork >= 0 && fork(item.fork).is_tangle();
    const char kind = is_tangle ? 't' : item.fork >= 0 ? 'f' : 'p';
    text += fmt::format("{}{}:", kind, pieces.size() - before);
    if (item.fork < 0 || is_tangle) continue;
    for (const auto& alike : fork(item.fork).classes) {
      for (const int branch : alike) text += "(" + signature(branch) + ")";
    }
  }
  std::map<int, int> local;
  for (const int piece : pieces) local.emplace(piece, static_cast<int>(local.size()));
  const auto name = [&](int piece) {
    const auto found = local.find(piece);
    return found == local.end() ? fmt::format("o{}", piece) : fmt::format("i{}", found->second);
  };
  for (const int piece : pieces) {
    const Shape& shape = piece_shapes_[at(piece)];
    text += fmt::format(";{}|{}|{}|{}|{}|{}|{}", fmt::join(shape.rate_s, ","),
                        fmt::join(shape.fixed_s, ","), shape.parameter_bytes, shape.fixed_bytes,
                        shape.saved_bytes, shape.split_bytes, shape.workspace_bytes);
    for (const int t : inputs_[at(piece)]) {
      const bool inside = local.contains(tensors_[at(t)].home);
      text += inside ? "<" + name(tensors_[at(t)].home) : fmt::format("<t{}", t);
    }
    for (const int t : outputs_[at(piece)]) {
      text += fmt::format(">{}", tensors_[at(t)].bytes);
      for (const int reader : tensors_[at(t)].readers) text += name(reader);
    }
  }
  return text;
}

std::vector<int> Space::counts(int fork_id, int group) const {
  std::vector<int> result;
  for (const auto& alike : fork(fork_id).classes) {
    const int base = static_cast<int>(alike.size()) + 1;
    result.push_back(group % base);
    group /= base;
  }
  return result;
}

bool Space::contains(int fork_id, int whole, int part) const {
  for (const auto& alike : fork(fork_id).classes) {
    const int base = static_cast<int>(alike.size()) + 1;
    if (part % base > whole % base) return false;
    part /= base;
    whole /= base;
  }
  return true;
}

int Space::join(const std::vector<int>& branches) {
  std::vector<Item> items;
  std::vector<int> borders;
  for (const int branch : branches) {
    const Sequence& more = sequence(branch);
    const auto first = static_cast<int>(items.size());
    if (first > 0) borders.push_back(first);
    for (const int border : more.borders) borders.push_back(first + border);
    items.insert(items.end(), more.items.begin(), more.items.end());
  }
  const int joined = add_items(items);
  sequences_.back().borders = std::move(borders);
  return joined;
}

const std::vector<int>& Space::bundles(int fork_id, int group) {
  std::vector<int>& known = bundles_of_[{fork_id, group}];
  if (!known.empty()) return known;
  std::vector<int> classes;
  const std::vector<int> numbers = counts(fork_id, group);
  for (Index c = 0; c < numbers.size(); ++c) {
    classes.insert(classes.end(), at(numbers[c]), static_cast<int>(c));
  }
  if (fork(fork_id).is_tangle()) {
    known.push_back(add_bundle(fork_id, group, classes));
    return known;
  }
  std::vector<std::vector<int>> orders;
  do {
    orders.push_back(classes);
  } while (orders.size() <= kMostOrders && std::next_permutation(classes.begin(), classes.end()));
  if (orders.size() > kMostOrders) {
    orders.resize(1);
    orders.emplace_back(orders.front().rbegin(), orders.front().rend());
  }
  for (const std::vector<int>& order : orders) known.push_back(add_bundle(fork_id, group, order));
  return known;
}

int Space::add_bundle(int fork_id, int group, const std::vector<int>& classes) {
  std::vector<int> branches;
  std::vector<Index> next(fork(fork_id).classes.size(), 0);
  for (const int c : classes) branches.push_back(fork(fork_id).classes[at(c)][next[at(c)]++]);
  const int sequence = branches.size() == 1 ? branches.front() : join(branches);
  places_.resize(sequences_.size(), places_[at(branches.front())]);
  bundles_.push_back({fork_id, group, classes, sequence});
  return static_cast<int>(bundles_.size()) - 1;
}

std::vector<int> Space::pieces_of(const Item& item) const {
  std::vector<int> pieces;
  add_pieces(item, pieces);
  return pieces;
}

void Space::add_between(int id, int begin, int end, std::vector<int>& pieces) const {
  for (int i = begin; i < end; ++i) add_pieces(sequence(id).items[at(i)], pieces);
}

std::size_t Space::KeyHash::operator()(const Key& key) const {
  std::uint64_t hash = 0;
  for (const int part : key) {
    hash = (hash ^ static_cast<std::uint64_t>(part)) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 29;
  }
  return hash;
}

// Where the number of the shape is kept: -1 where it is new.
int* Space::known_shape(int id, const StageParts& parts) {
  if (parts.head != kNoBundle || parts.tail != kNoBundle) {
    const Key key = {id,         parts.begin,     parts.end, parts.head, parts.head_end,
                     parts.tail, parts.tail_begin};
    return &shapes_of_parts_.try_emplace(key, -1).first->second;
  }
  if (shapes_of_items_.size() <= at(id)) shapes_of_items_.resize(sequences_.size());
  std::vector<int>& known = shapes_of_items_[at(id)];
  const Index width = at(length(id)) + 1;
  if (known.empty()) known.assign(width * width, -1);
  return &known[at(parts.begin) * width + at(parts.end)];
}

int Space::shape_of_parts(int id, const StageParts& parts) {
  int* known = known_shape(id, parts);
  if (*known >= 0) return *known;
  std::vector<int> pieces;
  add_between(id, parts.begin, parts.end, pieces);
  if (parts.head != kNoBundle) add_between(bundle(parts.head).sequence, 0, parts.head_end, pieces);
  if (parts.tail != kNoBundle) {
    const int tail = bundle(parts.tail).sequence;
    add_between(tail, parts.tail_begin, length(tail), pieces);
  }
  shapes_.push_back(compute(pieces));
  return *known = static_cast<int>(shapes_.size()) - 1;
}

Shape Space::compute(const std::vector<int>& pieces) {
  ++stamp_;
  Shape shape;
  for (const int piece : pieces) {
    const Shape& own = piece_shapes_[at(piece)];
    for (Index pass = 0; pass < own.rate_s.size(); ++pass) {
      shape.rate_s[pass] += own.rate_s[pass];
      shape.fixed_s[pass] += own.fixed_s[pass];
    }
    shape.parameter_bytes += own.parameter_bytes;
    shape.fixed_bytes += own.fixed_bytes;
    shape.saved_bytes += own.saved_bytes;
    shape.split_bytes += own.split_bytes;
    shape.workspace_bytes = std::max(shape.workspace_bytes, own.workspace_bytes);
    piece_stamp_[at(piece)] = stamp_;
  }
  for (const int piece : pieces) {
    for (const int t : inputs_[at(piece)]) {
      if (piece_stamp_[at(tensors_[at(t)].home)] == stamp_) continue;
      if (tensor_stamp_[at(t)] == stamp_) continue;
      tensor_stamp_[at(t)] = stamp_;
      shape.in_bytes += tensors_[at(t)].bytes;
      shape.has_inputs = true;
    }
    for (const int t : outputs_[at(piece)]) {
      const std::vector<int>& readers = tensors_[at(t)].readers;
      const bool leaves = std::any_of(readers.begin(), readers.end(), [&](int reader) {
        return piece_stamp_[at(reader)] != stamp_;
      });
      if (leaves) shape.out_bytes += tensors_[at(t)].bytes;
    }
  }
  return shape;
}

}  // namespace lamina::pipeline
