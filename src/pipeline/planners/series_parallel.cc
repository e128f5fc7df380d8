// Contracts the transitive reduction: a node whose only successor has no other predecessor goes in
// series with it, nodes with the same predecessors and successors go side by side. A
// series-parallel order ends as one node; what is left of others has no such pair. Of that the
// smallest sets that all other nodes see as one are tangles.
#include "pipeline/planners/series_parallel.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>

#include "pipeline/index.h"

namespace lamina::pipeline {
namespace {

using Index = std::size_t;

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
std::vector<std::set<int>> transitive_reduction(const Computation& computation, Reach& reach) {
  const auto count = static_cast<int>(computation.operators.size());
  std::vector<std::set<int>> all(at(count)), reduced(at(count));
  for (const Edge& edge : computation.edges) all[at(edge.from)].insert(edge.to);
  for (int from = count - 1; from >= 0; --from) {
    for (const int to : all[at(from)]) {  // ascending, so a longer way is seen first
      if (reach.has(from, to)) continue;
      reduced[at(from)].insert(to);
      reach.add(from, to);
    }
  }
  return reduced;
}

SpTree tangle(std::vector<int> operators) {
  SpTree tree{SpTree::Kind::kTangle, {}, {}};
  std::sort(operators.begin(), operators.end());
  for (const int op : operators) tree.children.push_back({SpTree::Kind::kOperators, {op}, {}});
  return tree;
}

class Contraction {
 public:
  Contraction(const Computation& computation, int most)
      : reach_(static_cast<int>(computation.operators.size())),
        after_(transitive_reduction(computation, reach_)),
        most_(at(most)) {
    before_.resize(after_.size());
    for (Index i = 0; i < after_.size(); ++i) {
      nodes_.push_back({SpTree::Kind::kOperators, {static_cast<int>(i)}, {}});
      alive_.push_back(static_cast<int>(i));
      for (const int to : after_[i]) before_[at(to)].insert(static_cast<int>(i));
    }
  }

  Decomposition run() {
    while (contract_chains() || contract_twins() || contract_tangles()) {
    }
    if (alive_.size() == 1) return {std::move(nodes_[at(alive_.front())]), true};
    std::vector<SpTree> parts;
    for (const std::vector<int>& stratum : strata()) {
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

  // Where two nodes are in one set that all other nodes see as one - before all of it, behind all
  // of it or beside all of it - so are those that see them as two. Empty where these are too many.
  std::vector<int> set_of_two(int one, int other) const {
    const auto side = [&](int node, int of) {
      return reach_.has(node, of) ? -1 : reach_.has(of, node) ? 1 : 0;
    };
    std::vector<int> set = {one, other};
    std::size_t operators = sizes_[at(one)] + sizes_[at(other)];
    for (Index seen = 1; seen < set.size(); ++seen) {
      for (const int node : alive_) {
        if (operators > most_) return {};
        if (side(node, one) == side(node, set[seen])) continue;
        if (std::find(set.begin(), set.end(), node) != set.end()) continue;
        set.push_back(node);
        operators += sizes_[at(node)];
      }
    }
    if (operators > most_) return {};
    std::sort(set.begin(), set.end());
    return set;
  }

  bool contract_tangles() {
    sizes_.assign(nodes_.size(), 0);
    for (const int node : alive_) sizes_[at(node)] = operators_below(nodes_[at(node)]).size();
    std::set<std::pair<Index, std::vector<int>>> tangles;  // the smallest first
    for (const int node : alive_) {
      for (const int next : after_[at(node)]) {
        std::vector<int> set = set_of_two(node, next);
        if (!set.empty()) tangles.emplace(set.size(), std::move(set));
      }
    }
    std::set<int> gone, done;
    for (const auto& [size, set] : tangles) {
      if (std::any_of(set.begin(), set.end(), [&](int n) { return done.contains(n); })) continue;
      done.insert(set.begin(), set.end());
      gone.insert(set.begin() + 1, set.end());
      contract_tangle(set);
    }
    forget(gone);
    return !gone.empty();
  }

  // All sources of the set have the same predecessors, and all sinks the same successors.
  void contract_tangle(const std::vector<int>& set) {
    const auto is_inside = [&](int node) {
      return std::binary_search(set.begin(), set.end(), node);
    };
    std::vector<int> operators;
    std::set<int> before, after;
    for (const int node : set) {
      const std::vector<int> own = operators_below(nodes_[at(node)]);
      operators.insert(operators.end(), own.begin(), own.end());
      for (const int from : before_[at(node)]) {
        after_[at(from)].erase(node);
        if (!is_inside(from)) before.insert(from);
      }
      for (const int to : after_[at(node)]) {
        before_[at(to)].erase(node);
        if (!is_inside(to)) after.insert(to);
      }
    }
    const int first = set.front();
    for (const int from : before) after_[at(from)].insert(first);
    for (const int to : after) before_[at(to)].insert(first);
    before_[at(first)] = std::move(before);
    after_[at(first)] = std::move(after);
    nodes_[at(first)] = tangle(std::move(operators));
  }

  // What is left, in sets one after the other. The first operator of a node is older than those of
  // the nodes after it, so `alive_` is in topological order.
  std::vector<std::vector<int>> strata() const {
    std::vector<std::vector<int>> result;
    std::vector<int> level(nodes_.size(), 0);
    for (const int node : alive_) {
      for (const int from : before_[at(node)]) {
        level[at(node)] = std::max(level[at(node)], level[at(from)] + 1);
      }
      const Index place = at(level[at(node)]);
      if (place >= result.size()) result.resize(place + 1);
      result[place].push_back(node);
    }
    return result;
  }

  Reach reach_;  // of operators; a node is told by its first
  std::vector<std::set<int>> after_, before_;
  std::vector<SpTree> nodes_;
  std::vector<int> alive_;          // ascending
  std::vector<std::size_t> sizes_;  // operators of nodes
  std::size_t most_;                // of a tangle
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

Decomposition decompose(const Computation& computation, int most) {
  return Contraction(computation, most).run();
}

SpTree tangle_of(const Computation& computation) {
  std::vector<int> operators(computation.operators.size());
  std::iota(operators.begin(), operators.end(), 0);
  return tangle(std::move(operators));
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
