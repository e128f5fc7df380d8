// Merging chains of operators.
#include "pipeline/merge.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace lamina::pipeline {
namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

// Of each operator the one behind it with which it may be merged; -1: none.
std::vector<int> only_neighbours(const Computation& computation) {
  const std::size_t count = computation.operators.size();
  std::vector<int> after(count, -1), before(count, -1);
  constexpr int kSeveral = -2;
  const auto note = [](int& known, int other) {
    if (known != other) known = known == -1 ? other : kSeveral;
  };
  for (const Edge& edge : computation.edges) {
    note(after[at(edge.from)], edge.to);
    note(before[at(edge.to)], edge.from);
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (after[i] < 0 || before[at(after[i])] < 0) after[i] = -1;
  }
  return after;
}

// Groups are lists of members from their first operator on; `heads` says which operators begin one.
class Groups {
 public:
  explicit Groups(const Computation& computation)
      : after_(only_neighbours(computation)), end_(after_.size()), seconds_(after_.size()) {
    std::iota(end_.begin(), end_.end(), 0);
    is_head_.assign(after_.size(), true);
    for (std::size_t i = 0; i < seconds_.size(); ++i) {
      const Operator& op = computation.operators[i];
      seconds_[i] = op.forward_s + op.input_gradient_s + op.weight_gradient_s;
    }
  }

  // False where no two may be merged.
  bool merge_fastest() {
    int best = -1;
    double best_s = std::numeric_limits<double>::infinity();
    for (int head = 0; head < static_cast<int>(end_.size()); ++head) {
      if (!is_head_[at(head)]) continue;
      const int next = after_[at(end_[at(head)])];
      if (next < 0 || seconds_[at(head)] + seconds_[at(next)] >= best_s) continue;
      best = head;
      best_s = seconds_[at(head)] + seconds_[at(next)];
    }
    if (best < 0) return false;
    const int next = after_[at(end_[at(best)])];
    seconds_[at(best)] = best_s;
    end_[at(best)] = end_[at(next)];
    is_head_[at(next)] = false;
    return true;
  }

  std::vector<std::vector<int>> members() const {
    std::vector<std::vector<int>> groups;
    for (int head = 0; head < static_cast<int>(end_.size()); ++head) {
      if (!is_head_[at(head)]) continue;
      std::vector<int>& group = groups.emplace_back(1, head);
      while (group.back() != end_[at(head)]) group.push_back(after_[at(group.back())]);
    }
    return groups;
  }

 private:
  std::vector<int> after_;
  std::vector<int> end_;  // the last member of the group that begins with an operator
  std::vector<double> seconds_;
  std::vector<bool> is_head_;
};

void add(Operator& to, const Operator& op) {
  to.forward_s += op.forward_s;
  to.input_gradient_s += op.input_gradient_s;
  to.weight_gradient_s += op.weight_gradient_s;
  if (op.forward_s > 0.0) to.fixed_s += op.fixed_s;
  to.parameter_bytes += op.parameter_bytes;
  to.saved_bytes += op.saved_bytes;
  to.workspace_bytes = std::max(to.workspace_bytes, op.workspace_bytes);
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
  // Groups stand by their first members: edges come from the last member of one, before it.
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
