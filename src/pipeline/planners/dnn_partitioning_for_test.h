// For tests: inputs of dnn-partitioning (github.com/msr-fiddle/dnn-partitioning, README) and what
// its program does before it searches. An input lists nodes with the times on either kind of device
// and a size, colour classes that stay together, and edges with the time to move the source's
// output. Forward and backward nodes of a class are two nodes of the graph; the forward ones alone
// say what is a downset.
#pragma once

#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"
#include "pipeline/json_fields.h"
#include "pipeline/planners/chain_costs.h"
#include "pipeline/planners/ideals.h"

namespace lamina::pipeline::test {

class DnnPartitioning {
 public:
  enum class Mode { kIdeals, kLinear, kPipeDream };

  explicit DnnPartitioning(const std::string& path) {
    const Json json = Json::parse(read_file(path));
    const JsonFields fields(json, path);
    memory_ = fields.number("maxSizePerFPGA");
    accelerators_ = fields.integer("maxFPGAs");
    hosts_ = fields.integer("maxCPUs");
    std::map<int, std::size_t> places;
    for (const Json& each : fields.array("nodes")) {
      const JsonFields node(each, path);
      places[node.integer("id")] = nodes_.size();
      nodes_.push_back({node.number("fpgaLatency"), node.number("cpuLatency"), node.number("size"),
                        0.0, node.integer("supportedOnFpga") != 0,
                        node.integer("isBackwardNode") != 0, node.integer("colorClass")});
    }
    for (const Json& each : fields.array("edges")) {
      const JsonFields edge(each, path);
      const std::size_t from = places.at(edge.integer("sourceId"));
      edges_.emplace_back(from, places.at(edge.integer("destId")));
      nodes_[from].move_s = edge.number("cost");
    }
  }

  // The largest load in the unit of the input, and how many downsets there are.
  std::pair<double, int> solve(Mode mode, int accelerators) {
    contract();
    if (mode == Mode::kPipeDream) {
      merge_components();
      contract();
    }
    merge_cycles();
    contract();
    while (merge_trivial()) contract();
    return search(mode == Mode::kIdeals, accelerators);
  }
  int accelerators() const { return accelerators_; }
  double one_accelerator_s() const {
    double sum = 0.0;
    for (const Node& node : nodes_) sum += node.accelerator_s;
    return sum;
  }

 private:
  struct Node {
    double accelerator_s = 0.0;
    double host_s = 0.0;
    double size = 0.0;
    double move_s = 0.0;
    bool on_accelerator = true;
    bool backward = false;
    int color = 0;
  };
  using Group = std::pair<bool, int>;  // backward; colour

  Group group(std::size_t node) const { return {nodes_[node].backward, nodes_[node].color}; }
  std::set<std::pair<Group, Group>> group_edges() const {
    std::set<std::pair<Group, Group>> result;
    for (const auto& [from, to] : edges_) {
      if (group(from) != group(to)) result.insert({group(from), group(to)});
    }
    return result;
  }
  void recolor(int from, int to) {
    for (Node& node : nodes_) {
      if (node.color == from) node.color = to;
    }
  }

  // The order of the groups, on which that of a linear order's first operators depends, is that in
  // which the original's hash table lists them: forward groups by their colours, backward ones by
  // numbers after these.
  void contract() {
    std::set<int> colors;
    for (const Node& node : nodes_) colors.insert(node.color);
    const auto key = [&](const Node& node) {
      const auto rank = std::distance(colors.begin(), colors.find(node.color));
      return node.backward ? *colors.rbegin() + 1 + static_cast<int>(rank) : node.color;
    };
    if (order_.empty()) {
      for (std::size_t i = 0; i < nodes_.size(); ++i) order_.push_back(i);
    }
    std::unordered_map<int, std::size_t> first;  // node of each group
    for (const std::size_t node : order_) first.emplace(key(nodes_[node]), node);
    order_.clear();
    numbers_.clear();
    for (const auto& [number, node] : first) {
      order_.push_back(node);
      numbers_[group(node)] = number;
    }
  }

  // Forward groups on a cycle become one.
  void merge_cycles() {
    std::map<int, std::set<int>> reach;
    for (const auto& [from, to] : group_edges()) {
      if (!from.first && !to.first) reach[from.second].insert(to.second);
    }
    std::vector<int> colors;
    for (const Node& node : nodes_) colors.push_back(node.color);
    for (const int via : colors) {
      for (auto& [from, to] : reach) {
        if (to.count(via) != 0) to.insert(reach[via].begin(), reach[via].end());
      }
    }
    for (const auto& [from, to] : reach) {
      for (const int other : to) {
        if (other > from && reach[other].count(from) != 0) recolor(other, from);
      }
    }
  }

  // A forward group without cost and with one neighbour, a forward one, joins it.
  bool merge_trivial() {
    std::map<int, double> forward_s, backward_s;
    for (const Node& node : nodes_) {
      (node.backward ? backward_s : forward_s)[node.color] += node.accelerator_s + node.host_s;
    }
    std::map<int, std::vector<Group>> neighbours;  // of forward groups
    for (const auto& [from, to] : group_edges()) {
      if (!from.first) neighbours[from.second].push_back(to);
      if (!to.first) neighbours[to.second].push_back(from);
    }
    for (const auto& [color, seconds] : forward_s) {
      const std::vector<Group>& near = neighbours[color];
      if (seconds >= 1e-6 || near.size() != 1 || near[0].first || backward_s[color] >= 1e-6) {
        continue;
      }
      recolor(color, near[0].second);
      return true;
    }
    return false;
  }

  void merge_components();

  std::pair<double, int> search(bool is_graph, int accelerators) const {
    std::map<int, int> places;  // of forward groups
    for (const std::size_t node : order_) {
      if (!nodes_[node].backward) places.emplace(nodes_[node].color, places.size());
    }
    const auto count = static_cast<int>(places.size());
    std::vector<std::pair<int, int>> order;
    for (const auto& [from, to] : group_edges()) {
      if (from.first || to.first) continue;
      order.emplace_back(places.at(from.second), places.at(to.second));
    }
    if (!is_graph) order = chain_of(linear_order(count, order));
    const Downsets sets(count, order, 60'000, Deadline(0.0));
    require(sets.complete(), "{}", sets.reason());
    const auto sums = [&](auto&& value) {
      std::vector<double> values(static_cast<std::size_t>(count), 0.0);
      for (const Node& node : nodes_) {
        values[static_cast<std::size_t>(places.at(node.color))] += value(node);
      }
      return sets.sums(values);
    };
    const std::vector<double> fast = sums([](const Node& node) { return node.accelerator_s; });
    const std::vector<double> slow = sums([](const Node& node) { return node.host_s; });
    const std::vector<double> size = sums([](const Node& node) { return node.size; });
    const std::vector<double> never = sums([](const Node& node) { return !node.on_accelerator; });
    const Crossings crossings(sets, flows(places));
    const auto of = [](const std::vector<double>& sum, int inner, int outer) {
      return sum[static_cast<std::size_t>(outer)] - sum[static_cast<std::size_t>(inner)];
    };
    const DeviceKind accelerator{
        accelerators, [&](int inner, int outer) {
          if (of(size, inner, outer) > memory_ || of(never, inner, outer) > 0.0) return StageLoad{};
          const Crossings::Cost cost = crossings.of_stage(inner, outer);
          return StageLoad{of(fast, inner, outer) + cost.in + cost.out, INT32_MAX};
        }};
    const DeviceKind host{hosts_, [&](int inner, int outer) {
                            return StageLoad{of(slow, inner, outer), INT32_MAX};
                          }};
    return {least_load(sets, {accelerator, host}, Deadline(0.0)).seconds, sets.size()};
  }

  // What each node sends, between the forward groups that stand for both passes.
  std::vector<Flow> flows(const std::map<int, int>& places) const {
    std::vector<Flow> result(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      result[i].producer = places.at(nodes_[i].color);
      result[i].cost = nodes_[i].move_s;
    }
    for (const auto& [from, to] : edges_) {
      result[from].consumers.push_back(places.at(nodes_[to].color));
    }
    return result;
  }

  std::vector<Node> nodes_;
  std::vector<std::pair<std::size_t, std::size_t>> edges_;
  std::vector<std::size_t> order_;  // a node of each group
  std::map<Group, int> numbers_;    // of groups
  double memory_ = 0.0;
  int accelerators_ = 0;
  int hosts_ = 0;
};

// The biconnected components of a graph without directions, as sets of edges (Tarjan).
class Components {
 public:
  using Edge = std::pair<int, int>;

  explicit Components(const std::vector<Edge>& edges) {
    for (const auto& [a, b] : edges) {
      near_[a].push_back(b);
      near_[b].push_back(a);
    }
    for (const auto& each : near_) {
      if (entered_.count(each.first) == 0) visit(each.first, -1);
    }
  }
  const std::vector<std::vector<Edge>>& edges() const { return components_; }

 private:
  int visit(int node, int parent) {
    const int entered = entered_[node] = static_cast<int>(entered_.size());
    int low = entered;
    for (const int next : near_[node]) {
      if (entered_.count(next) == 0) {
        const std::size_t first = open_.size();
        open_.emplace_back(node, next);
        const int below = visit(next, node);
        low = std::min(low, below);
        if (below < entered) continue;
        components_.emplace_back(open_.begin() + static_cast<std::ptrdiff_t>(first), open_.end());
        open_.resize(first);
      } else if (entered_[next] < entered && next != parent) {
        open_.emplace_back(node, next);
        low = std::min(low, entered_[next]);
      }
    }
    return low;
  }

  std::map<int, std::vector<int>> near_;
  std::map<int, int> entered_;
  std::vector<Edge> open_;
  std::vector<std::vector<Edge>> components_;
};

// What begins an edge of the same biconnected component becomes one group. Edges from inputs are
// left out, which the original names by their numbers: those of BERT-24, and of GNMT.
inline void DnnPartitioning::merge_components() {
  std::set<int> inputs;
  if (nodes_.size() == 32 || nodes_.size() == 64) inputs = {4, 37};
  if (nodes_.size() == 96 || nodes_.size() == 192) inputs = {2, 40, 46, 100, 137, 142};
  std::map<int, int> colors;  // by number of group
  for (const auto& [group, number] : numbers_) colors[number] = group.second;
  std::set<Components::Edge> directed;
  for (const auto& [from, to] : group_edges()) {
    if (inputs.count(numbers_.at(from)) == 0) directed.insert({numbers_.at(from), numbers_.at(to)});
  }
  const Components components({directed.begin(), directed.end()});
  for (const std::vector<Components::Edge>& edges : components.edges()) {
    int kept = -1;
    for (const auto& [a, b] : edges) {
      const int tail = directed.count({a, b}) != 0 ? a : b;
      if (kept < 0) kept = tail;
      const int color = colors.at(tail), merged = colors.at(kept);
      recolor(color, merged);
      for (auto& [number, each] : colors) {
        if (each == color) each = merged;
      }
    }
  }
}

}  // namespace lamina::pipeline::test
