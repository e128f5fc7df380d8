// PipeDream's planner (Narayanan et al., SOSP 2019, section 3.1, on antichains as its program
// does): the smallest time of the slowest stage of a chain in which stages may be replicated, over
// the machines of one level. A level's machines may be nodes, whose time for some operators is what
// the same algorithm finds for them inside a node.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "pipeline/planners/downsets.h"

namespace lamina::pipeline {

struct ReplicatedLoad {
  double seconds = std::numeric_limits<double>::infinity();
  int most_after = 0;  // machines that stages after it may have, so that it fits the memory
};
struct MachineLevel {
  int machines = 1;
  // Of the stages from a downset to each of its supersets in their order, `machines` of each: on 1,
  // 2, .. machines. Valid until the next call.
  std::function<std::span<const ReplicatedLoad>(int inner)> loads;
  std::vector<double> border_s;  // by set: to move what crosses its border over a machine's link
};
struct ReplicatedStage {
  int inner = 0;
  int outer = 0;
  int replicas = 1;
};

// The best chains from one downset to each that contains it, on each number of machines.
class LevelSearch {
 public:
  // `supersets`: of each set, those that contain it, ascending.
  LevelSearch(const Downsets& sets, const std::vector<std::vector<int>>& supersets,
              const MachineLevel& level)
      : sets_(sets), supersets_(supersets), level_(level) {}

  // Starts from `first`. Returns false once the deadline has passed.
  bool run(int first, const Deadline& deadline);
  // Infinity where there is no chain on exactly so many machines.
  double seconds(int set, int machines) const { return cells_[cell(set, machines)].seconds; }
  std::vector<ReplicatedStage> stages(int set, int machines) const;
  std::int64_t states() const { return static_cast<std::int64_t>(cells_.size()); }

 private:
  struct Cell {
    double seconds = std::numeric_limits<double>::infinity();
    int inner = -1;  // of its last stage
    int replicas = 0;
  };

  std::size_t cell(int set, int machines) const {
    return static_cast<std::size_t>(set) * static_cast<std::size_t>(level_.machines + 1) +
           static_cast<std::size_t>(machines);
  }
  void extend(int first, int inner, int outer, std::span<const ReplicatedLoad> loads);

  const Downsets& sets_;
  const std::vector<std::vector<int>>& supersets_;
  const MachineLevel& level_;
  std::vector<Cell> cells_;
};

// Of each downset, those that contain it. Ends early, with fewer lists, once there are more than
// `limit` pairs or the deadline has passed.
std::vector<std::vector<int>> supersets_of(const Downsets& sets, std::int64_t limit,
                                           const Deadline& deadline);

}  // namespace lamina::pipeline
