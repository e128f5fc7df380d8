// A minimal cut of a network of arcs with capacities.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace lamina::pipeline {

// Dinic's algorithm. Vertices are numbered as they are used.
class MinCut {
 public:
  static constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max() / 4;

  // The number of the arc.
  int add_arc(int from, int to, std::int64_t capacity);
  // Arcs without which nothing flows from source to sink, of the least capacity together; of all
  // such choices the one nearest to the sink. To be called once.
  std::vector<int> minimal_arcs(int source, int sink);

 private:
  struct Arc {
    int to = 0;
    std::int64_t left = 0;  // capacity that is not used
  };

  void reserve(int vertex);
  bool find_levels(int source, int sink);
  std::int64_t push(int vertex, int sink, std::int64_t limit);

  std::vector<Arc> arcs_;               // each followed by its reverse
  std::vector<std::vector<int>> from_;  // arcs by vertex
  std::vector<int> level_;
  std::vector<std::size_t> next_;
};

}  // namespace lamina::pipeline
