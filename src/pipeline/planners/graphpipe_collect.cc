// The stages that the best label of the search stands for.
#include <algorithm>
#include <map>
#include <vector>

#include "pipeline/index.h"
#include "pipeline/planners/graphpipe_search.h"

namespace lamina::pipeline {

// Turns steps into stages. Solved are bundles of the first branches of each class; what they stand
// for are branches of the network, taken as they come.
class StageSearch::Collector {
  using Items = std::vector<Item>;

 public:
  explicit Collector(const StageSearch& search) : search_(search), space_(search.space_) {}

  void collect(int plan, const Items& items) {
    std::map<int, Items> heads, tails;  // by item
    for (; plan >= 0; plan = search_.steps_[at(plan)].next) {
      const Step& step = search_.steps_[at(plan)];
      const StageParts& parts = step.parts;
      if (step.kind == Step::Kind::kFork) {
        if (step.is_shared) tails[step.item] = heads[step.item];
        collect_fork(step, items[at(step.item)].fork, heads[step.item], tails[step.item]);
        continue;
      }
      ChosenStage stage{{}, step.mode};
      add(items, parts.begin, parts.end, stage);
      if (parts.head != kNoBundle) {
        const Items& head = take(items[at(parts.end)].fork, parts.head, heads[parts.end]);
        add(head, 0, parts.head_end, stage);
      }
      if (parts.tail != kNoBundle) {
        const int item = parts.begin - 1;
        const Items& tail = take(items[at(item)].fork, parts.tail, tails[item]);
        add(tail, parts.tail_begin, static_cast<int>(tail.size()), stage);
      }
      std::sort(stage.operators.begin(), stage.operators.end());
      chosen_.bottleneck_s = std::max(chosen_.bottleneck_s, step.bottleneck_s);
      chosen_.stages.push_back(std::move(stage));
    }
  }

  ChosenStages take_stages() { return std::move(chosen_); }

 private:
  void collect_fork(const Step& step, int fork, Items& head, Items& tail) {
    for (int b = step.inner; b >= 0; b = search_.steps_[at(b)].next) {
      const Step& branches = search_.steps_[at(b)];
      Items whole;
      Items& items = branches.taken == Taken::kNothing ? whole
                     : branches.taken == Taken::kTail  ? tail
                                                       : head;
      collect(branches.inner, take(fork, branches.bundle, items));
    }
  }

  // Of branches that are not taken yet, where it is not known yet which.
  const Items& take(int fork, int bundle, Items& items) {
    if (!items.empty()) return items;
    std::vector<int>& taken = taken_[fork];
    taken.resize(space_.fork(fork).classes.size(), 0);
    for (const int c : space_.bundle(bundle).classes) {
      const int branch = space_.fork(fork).classes[at(c)][at(taken[at(c)]++)];
      const Items& more = space_.sequence(branch).items;
      items.insert(items.end(), more.begin(), more.end());
    }
    return items;
  }

  void add(const Items& items, int begin, int end, ChosenStage& stage) const {
    for (int i = begin; i < end; ++i) {
      for (const int piece : space_.pieces_of(items[at(i)])) {
        const std::vector<int>& operators = space_.operators(piece);
        stage.operators.insert(stage.operators.end(), operators.begin(), operators.end());
      }
    }
  }

  const StageSearch& search_;
  const Space& space_;
  std::map<int, std::vector<int>> taken_;  // by fork, of each class
  ChosenStages chosen_;
};

ChosenStages StageSearch::collect(int plan) const {
  Collector collector(*this);
  collector.collect(plan, space_.sequence(space_.root()).items);
  return collector.take_stages();
}

}  // namespace lamina::pipeline
