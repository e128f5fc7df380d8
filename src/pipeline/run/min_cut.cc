// Dinic's algorithm: shortest paths that still have room, many at a time.
#include "pipeline/run/min_cut.h"

#include <algorithm>

namespace lamina::pipeline {

void MinCut::reserve(int vertex) {
  if (static_cast<std::size_t>(vertex) >= from_.size()) {
    from_.resize(static_cast<std::size_t>(vertex) + 1);
  }
}

int MinCut::add_arc(int from, int to, std::int64_t capacity) {
  reserve(std::max(from, to));
  const auto arc = static_cast<int>(arcs_.size());
  arcs_.push_back({to, capacity});
  arcs_.push_back({from, 0});
  from_[static_cast<std::size_t>(from)].push_back(arc);
  from_[static_cast<std::size_t>(to)].push_back(arc + 1);
  return arc;
}

bool MinCut::find_levels(int source, int sink) {
  level_.assign(from_.size(), -1);
  level_[static_cast<std::size_t>(source)] = 0;
  std::vector<int> queue = {source};
  for (std::size_t next = 0; next < queue.size(); ++next) {
    const auto v = static_cast<std::size_t>(queue[next]);
    for (const int a : from_[v]) {
      const Arc& arc = arcs_[static_cast<std::size_t>(a)];
      int& level = level_[static_cast<std::size_t>(arc.to)];
      if (arc.left == 0 || level >= 0) continue;
      level = level_[v] + 1;
      queue.push_back(arc.to);
    }
  }
  return level_[static_cast<std::size_t>(sink)] >= 0;
}

std::int64_t MinCut::push(int vertex, int sink, std::int64_t limit) {
  if (vertex == sink) return limit;
  const auto v = static_cast<std::size_t>(vertex);
  std::int64_t pushed = 0;
  for (; next_[v] < from_[v].size() && pushed < limit; ++next_[v]) {
    const auto a = static_cast<std::size_t>(from_[v][next_[v]]);
    Arc& arc = arcs_[a];
    if (arc.left == 0 || level_[static_cast<std::size_t>(arc.to)] != level_[v] + 1) continue;
    const std::int64_t more = push(arc.to, sink, std::min(limit - pushed, arc.left));
    arc.left -= more;
    arcs_[a ^ 1].left += more;
    pushed += more;
    if (pushed == limit) break;  // this arc may have room left
  }
  return pushed;
}

std::vector<int> MinCut::minimal_arcs(int source, int sink) {
  reserve(std::max(source, sink));
  while (find_levels(source, sink)) {
    next_.assign(from_.size(), 0);
    while (push(source, sink, kUnlimited) > 0) {
    }
  }
  // What can still reach the sink is on its side.
  std::vector<bool> beyond(from_.size(), false);
  std::vector<int> queue = {sink};
  beyond[static_cast<std::size_t>(sink)] = true;
  for (std::size_t next = 0; next < queue.size(); ++next) {
    for (const int a : from_[static_cast<std::size_t>(queue[next])]) {
      const Arc& reverse = arcs_[static_cast<std::size_t>(a)];
      const Arc& arc = arcs_[static_cast<std::size_t>(a) ^ 1];  // from reverse.to to here
      if (arc.left == 0 || beyond[static_cast<std::size_t>(reverse.to)]) continue;
      beyond[static_cast<std::size_t>(reverse.to)] = true;
      queue.push_back(reverse.to);
    }
  }
  std::vector<int> result;
  for (std::size_t a = 0; a < arcs_.size(); a += 2) {
    const bool from_beyond = beyond[static_cast<std::size_t>(arcs_[a ^ 1].to)];
    if (!from_beyond && beyond[static_cast<std::size_t>(arcs_[a].to)]) {
      result.push_back(static_cast<int>(a));
    }
  }
  return result;
}

}  // namespace lamina::pipeline
