// Merging chains of operators.
#include "pipeline/merge.h"

#include <algorithm>
#include <limits>
#include <set>

#include "pipeline/index.h"

namespace lamina::pipeline {
namespace {

// Operators that are merged so far, by the first one of each group. What a group needs from outside
// is needed by its first operator too, directly or through others, so that groups in the order of
// their first operators are in topological order.
class Groups {
 public:
  explicit Groups(const Computation& computation)
      : before_(computation.operators.size()),
        after_(before_.size()),
        reach_(before_.size(), std::vector<bool>(before_.size(), false)) {
    for (std::size_t i = 0; i < before_.size(); ++i) {
      const Operator& op = computation.operators[i];
      seconds_.push_back(op.forward_s + op.input_gradient_s + op.weight_gradient_s);
      members_.push_back({static_cast<int>(i)});
    }
    for (const Edge& edge : computation.edges) {
      after_[at(edge.from)].insert(edge.to);
      before_[at(edge.to)].insert(edge.from);
    }
    for (std::size_t i = before_.size(); i-- > 0;) {
      for (const int to : after_[i]) add_reach(i, to);
    }
  }

  // False where no two may be merged.
  bool merge_fastest() {
    int best = -1, with = -1;
    double best_s = std::numeric_limits<double>::infinity();
    for (int group = 0; group < static_cast<int>(members_.size()); ++group) {
      for (const int next : after_[at(group)]) {
        const double seconds = seconds_[at(group)] + seconds_[at(next)];
        if (seconds >= best_s || !may_merge(group, next)) continue;
        best = group;
        with = next;
        best_s = seconds;
      }
    }
    if (best >= 0) merge(best, with);
    return best >= 0;
  }

  std::vector<std::vector<int>> members() const {
    std::vector<std::vector<int>> groups;
    for (const std::vector<int>& group : members_) {
      if (group.empty()) continue;
      groups.push_back(group);
      std::sort(groups.back().begin(), groups.back().end());
    }
    return groups;
  }

 private:
  // Nothing then waits for what it did not wait for: all else that `next` needs leads to `group`,
  // which has no other reader, or all else that reads `group` follows `next`, which needs no more.
  bool may_merge(int group, int next) const {
    const std::set<int>& readers = after_[at(group)];
    const std::set<int>& needs = before_[at(next)];
    if (readers.size() == 1) {
      return std::all_of(needs.begin(), needs.end(),
                         [&](int each) { return each == group || reach_[at(each)][at(group)]; });
    }
    return needs.size() == 1 && std::all_of(readers.begin(), readers.end(), [&](int each) {
             return each == next || reach_[at(next)][at(each)];
           });
  }

  void merge(int group, int next) {
    for (const int to : after_[at(next)]) {
      before_[at(to)].erase(next);
      before_[at(to)].insert(group);
    }
    for (const int from : before_[at(next)]) {
      after_[at(from)].erase(next);
      if (from == group) continue;
      after_[at(from)].insert(group);
      before_[at(group)].insert(from);
    }
    after_[at(group)].insert(after_[at(next)].begin(), after_[at(next)].end());
    after_[at(next)].clear();
    before_[at(next)].clear();
    seconds_[at(group)] += seconds_[at(next)];
    members_[at(group)].insert(members_[at(group)].end(), members_[at(next)].begin(),
                               members_[at(next)].end());
    members_[at(next)].clear();
    add_reach(at(group), next);
  }

  void add_reach(std::size_t from, int to) {
    reach_[from][at(to)] = true;
    for (std::size_t i = 0; i < reach_.size(); ++i) {
      if (reach_[at(to)][i]) reach_[from][i] = true;
    }
  }

  std::vector<std::set<int>> before_, after_;
  std::vector<std::vector<bool>> reach_;  // what follows, directly or not
  std::vector<double> seconds_;
  std::vector<std::vector<int>> members_;  // empty: merged into another one
};

void add(Operator& to, const Operator& op) {
  to.forward_s += op.forward_s;
  to.input_gradient_s += op.input_gradient_s;
  to.weight_gradient_s += op.weight_gradient_s;
  if (op.forward_s > 0.0) to.fixed_s += op.fixed_s;
  to.parameter_bytes += op.parameter_bytes;
  to.saved_bytes += op.saved_bytes;
  to.split_bytes += op.split_bytes;
  to.fixed_bytes += op.fixed_bytes;
  to.workspace_bytes = std::max(to.workspace_bytes, op.workspace_bytes);
  to.update_s += op.update_s;
}

}  // namespace

Merged merge_neighbours(const Computation& computation, int operators) {
  Groups groups(computation);
  auto left = static_cast<int>(computation.operators.size());
  while (left > operators && groups.merge_fastest()) --left;
  Merged merged{{computation.name, {}, {}, computation.optimizer_ratio}, groups.members()};
  std::vector<int> group_of(computation.operators.size());
  for (std::size_t g = 0; g < merged.members.size(); ++g) {
    Operator& op = merged.computation.operators.emplace_back();
    op.name = computation.operators[at(merged.members[g].front())].name;
    for (const int member : merged.members[g]) {
      add(op, computation.operators[at(member)]);
      group_of[at(member)] = static_cast<int>(g);
    }
  }
  for (const Edge& edge : computation.edges) {
    const int from = group_of[at(edge.from)], to = group_of[at(edge.to)];
    if (from != to) merged.computation.edges.push_back({from, to, edge.bytes});
  }
  return merged;
}

Plan unmerged(Plan plan, const Merged& merged) {
  for (Stage& stage : plan.stages) {
    std::vector<int> members;
    for (const int op : stage.operators) {
      members.insert(members.end(), merged.members[at(op)].begin(), merged.members[at(op)].end());
    }
    std::sort(members.begin(), members.end());
    stage.operators = std::move(members);
  }
  return plan;
}

}  // namespace lamina::pipeline
