// Contracts the transitive reduction: a node whose only successor has no other predecessor goes in
// series with it, nodes with the same predecessors and successors go side by side. A
// series-parallel order ends as one node; what is left of others has no such pair.
#include "pipeline/planners/series_parallel.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>

namespace lamina::pipeline {
namespace {

using Index = std::size_t;
Index at(int i) { return static_cast<Index>(i); }

SpTree compose(SpTree::Kind kind, std::vector<SpTree> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  SpTree tree{kind, {}, {}};
  for (SpTree& part : parts) {
    if (part.kind != kind) {
      tree.children.push_back(std::move(part));
    } else {
      for (SpTree& child : part.children) tree.children.push_back(std::move(child));
    }
  }
  return tree;
}

// Which operators can be reached from which.
class Reach {
 public:
  explicit Reach(int count)
      : words_((at(count) + 63) / 64), bits_(words_ * at(count), std::uint64_t{0}) {}

  bool has(int from, int to) const {
    return (bits_[at(from) * words_ + at(to) / 64] >> (at(to) % 64) & 1) != 0;
  }
  // `to`, and all that can be reached from it.
  void add(int from, int to) {
    bits_[at(from) * words_ + at(to) / 64] |= std::uint64_t{1} << (at(to) % 64);
    for (Index w = 0; w < words_; ++w) bits_[at(from) * words_ + w] |= bits_[at(to) * words_ + w];
  }

 private:
  Index words_;
  std::vector<std::uint64_t> bits_;
};

// Successors without those that can be reached by a longer way.
std::vector<std::set<int>> transitive_reduction(const Computation& computation) {
  const auto count = static_cast<int>(computation.operators.size());
  std::vector<std::set<int>> all(at(count)), reduced(at(count));
  for (const Edge& edge : computation.edges) all[at(edge.from)].insert(edge.to);
  Reach reach(count);
  for (int from = count - 1; from >= 0; --from) {
    for (const int to : all[at(from)]) {  // ascending, so a longer way is seen first
      if (reach.has(from, to)) continue;
      reduced[at(from)].insert(to);
      reach.add(from, to);
    }
  }
  return reduced;
}

class Contraction {
 public:
  explicit Contraction(const Computation& computation) : after_(transitive_reduction(computation)) {
    before_.resize(after_.size());
    for (Index i = 0; i < after_.size(); ++i) {
      nodes_.push_back({SpTree::Kind::kOperators, {static_cast<int>(i)}, {}});
      alive_.push_back(static_cast<int>(i));
      for (const int to : after_[i]) before_[at(to)].insert(static_cast<int>(i));
    }
  }

  Decomposition run(Untangle untangle) {
    while (contract_chains() || contract_twins()) {
    }
    if (alive_.size() == 1) return {std::move(nodes_[at(alive_.front())]), true};
    std::vector<SpTree> parts;
    for (std::vector<int>& stratum : strata(untangle)) {
      std::vector<SpTree> together;
      for (const int node : stratum) together.push_back(std::move(nodes_[at(node)]));
      parts.push_back(compose(SpTree::Kind::kParallel, std::move(together)));
    }
    return {compose(SpTree::Kind::kSeries, std::move(parts)), false};
  }

 private:
  void forget(const std::set<int>& gone) {
    std::erase_if(alive_, [&](int node) { return gone.contains(node); });
  }

  bool contract_chains() {
    std::set<int> gone;
    for (const int node : alive_) {
      if (gone.contains(node)) continue;
      std::vector<SpTree> chain;
      chain.push_back(std::move(nodes_[at(node)]));
      while (after_[at(node)].size() == 1) {
        const int next = *after_[at(node)].begin();
        if (before_[at(next)].size() != 1) break;
        chain.push_back(std::move(nodes_[at(next)]));
        after_[at(node)] = std::move(after_[at(next)]);
        for (const int to : after_[at(node)]) {
          before_[at(to)].erase(next);
          before_[at(to)].insert(node);
        }
        gone.insert(next);
      }
      nodes_[at(node)] = compose(SpTree::Kind::kSeries, std::move(chain));
    }
    forget(gone);
    return !gone.empty();
  }

  bool contract_twins() {
    std::map<std::pair<std::set<int>, std::set<int>>, std::vector<int>> twins;
    for (const int node : alive_) {
      twins[{before_[at(node)], after_[at(node)]}].push_back(node);
    }
    std::set<int> gone;
    for (auto& [ends, nodes] : twins) {
      if (nodes.size() < 2) continue;
      std::vector<SpTree> together;
      for (const int node : nodes) together.push_back(std::move(nodes_[at(node)]));
      nodes_[at(nodes.front())] = compose(SpTree::Kind::kParallel, std::move(together));
      for (Index n = 1; n < nodes.size(); ++n) {
        for (const int from : ends.first) after_[at(from)].erase(nodes[n]);
        for (const int to : ends.second) before_[at(to)].erase(nodes[n]);
        gone.insert(nodes[n]);
      }
    }
    forget(gone);
    return !gone.empty();
  }

  // What is left, in sets one after the other. The first operator of a node is older than those of
  // the nodes after it, so `alive_` is in topological order.
  std::vector<std::vector<int>> strata(Untangle untangle) const {
    std::vector<std::vector<int>> result;
    std::vector<int> level(nodes_.size(), 0);
    for (const int node : alive_) {
      for (const int from : before_[at(node)]) {
        level[at(node)] = std::max(level[at(node)], level[at(from)] + 1);
      }
      const Index place = untangle == Untangle::kLine ? result.size() : at(level[at(node)]);
      if (place >= result.size()) result.resize(place + 1);
      result[place].push_back(node);
    }
    return result;
  }

  std::vector<std::set<int>> after_, before_;
  std::vector<SpTree> nodes_;
  std::vector<int> alive_;  // ascending
};

void collect(const SpTree& tree, std::vector<int>& operators) {
  operators.insert(operators.end(), tree.operators.begin(), tree.operators.end());
  for (const SpTree& child : tree.children) collect(child, operators);
}

}  // namespace

SpTree in_series(std::vector<SpTree> parts) {
  return compose(SpTree::Kind::kSeries, std::move(parts));
}

SpTree in_parallel(std::vector<SpTree> parts) {
  return compose(SpTree::Kind::kParallel, std::move(parts));
}

Decomposition decompose(const Computation& computation, Untangle untangle) {
  return Contraction(computation).run(untangle);
}

SpTree line_of(const Computation& computation) {
  std::vector<SpTree> parts;
  for (Index i = 0; i < computation.operators.size(); ++i) {
    parts.push_back({SpTree::Kind::kOperators, {static_cast<int>(i)}, {}});
  }
  return in_series(std::move(parts));
}

std::vector<int> operators_below(const SpTree& tree) {
  std::vector<int> operators;
  collect(tree, operators);
  std::sort(operators.begin(), operators.end());
  return operators;
}

int count_leaves(const SpTree& tree) {
  if (tree.children.empty()) return 1;
  int count = 0;
  for (const SpTree& child : tree.children) count += count_leaves(child);
  return count;
}

}  // namespace lamina::pipeline
