// The stages of a tangle, exactly: from its sinks to its sources stages are taken one after the
// other, each the difference of two downsets. What is left is always a downset, and all partitions
// whose stage graph has no cycle are reached.
#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <vector>

#include "pipeline/planners/graphpipe_search.h"

namespace lamina::pipeline {
namespace {

using Index = std::size_t;

// Sets of members that have all that their members wait for, the largest first.
std::vector<int> downsets(const Fork& tangle) {
  std::vector<int> sets;
  for (int set = tangle.groups - 1; set >= 0; --set) {
    bool is_closed = true;
    for (Index m = 0; m < tangle.waits_for.size() && is_closed; ++m) {
      is_closed = (set >> m & 1) == 0 || (tangle.waits_for[m] & ~set) == 0;
    }
    if (is_closed) sets.push_back(set);
  }
  std::stable_sort(sets.begin(), sets.end(), [](int a, int b) {
    return std::popcount(static_cast<unsigned>(a)) > std::popcount(static_cast<unsigned>(b));
  });
  return sets;
}

}  // namespace

// One tangle, with some of its members in a stage behind it.
class StageSearch::Tangle {
 public:
  Tangle(StageSearch& search, int fork, int height)
      : search_(search), fork_(fork), tangle_(search.space_.fork(fork)), height_(height) {}

  // Of what `all` has more than the downsets inside it.
  std::map<int, Front> solve(int all) {
    std::map<int, std::vector<Open>> opens;
    const std::vector<int> sets = downsets(tangle_);
    const Behind nothing{{}, height_};
    opens[all] = {{0, nothing, std::vector<Behind>(tangle_.waits_for.size(), nothing), -1}};
    std::map<int, Front> fronts;
    for (const int set : sets) {
      if ((set & ~all) != 0) continue;
      std::vector<Open>& own = opens[set];
      for (const int next : sets) {
        if (next == set || (next & ~set) != 0) continue;
        for (const Open& open : own) add_stage(open, set, next, all, opens[next]);
      }
      fronts[set] = front(own);
    }
    return fronts;
  }

 private:
  // Stages that come behind something.
  struct Behind {
    Paths paths;
    int height = 0;

    Behind beside(const Behind& other) const {
      return {paths.beside(other.paths), std::max(height, other.height)};
    }
    bool covers(const Behind& other, double slop_s) const {
      return height <= other.height && paths.covers(other.paths, slop_s);
    }
  };
  // Some members are in stages.
  struct Open {
    int devices = 0;
    Behind longest;              // of all these stages
    std::vector<Behind> behind;  // each member that is left: stages with members that wait for it
    int plan = -1;

    bool covers(const Open& other, int left, double slop_s) const {
      if (devices > other.devices || !longest.covers(other.longest, slop_s)) return false;
      for (Index m = 0; m < behind.size(); ++m) {
        if ((left >> m & 1) != 0 && !behind[m].covers(other.behind[m], slop_s)) return false;
      }
      return true;
    }
  };

  // For a stage before all of these that takes the members that are left.
  Front front(const std::vector<Open>& opens) const {
    Dominance dominance(search_.limits_.slop_s);
    Front labels, result;
    for (const Open& open : opens) {
      const Label label{open.devices, open.longest.paths, open.longest.height, open.plan};
      const int place = dominance.place(label);
      if (place < 0) continue;
      if (static_cast<Index>(place) >= labels.size()) labels.resize(static_cast<Index>(place) + 1);
      labels[static_cast<Index>(place)] = label;
    }
    for (const int place : dominance.places()) {
      result.push_back(labels[static_cast<Index>(place)]);
    }
    return result;
  }

  // Makes a stage of what `set` has and `next` has not.
  void add_stage(const Open& open, int set, int next, int all, std::vector<Open>& to) {
    const int members = set & ~next;
    const int bundle = search_.space_.bundles(fork_, members).front();
    const int sequence = search_.space_.bundle(bundle).sequence;
    const StageParts parts{0, search_.space_.length(sequence), kNoBundle, 0, kNoBundle, 0};
    const int shape = search_.space_.shape_of_parts(sequence, parts);
    Behind behind;
    for (Index m = 0; m < open.behind.size(); ++m) {
      if ((members >> m & 1) != 0) behind = behind.beside(open.behind[m]);
    }
    const bool has_heights = std::isfinite(search_.limits_.memory_bytes);
    const int height = has_heights ? behind.height + 1 : 0;
    const int spare = search_.pricing_.devices().count - least_devices(all & ~next);
    for (const Option& option : search_.options(shape, height)) {
      Behind stage{behind.paths.behind(option.price), height};
      if (open.devices + option.mode.devices > spare) break;
      if (stage.paths.all_s > search_.limits_.path_s) continue;
      Open added = open;
      added.devices += option.mode.devices;
      added.longest = added.longest.beside(stage);
      for (Index m = 0; m < added.behind.size(); ++m) {
        if ((next >> m & 1) != 0 && is_waited_for(m, members)) {
          added.behind[m] = added.behind[m].beside(stage);
        }
      }
      Step step;
      step.parts = parts;
      step.mode = option.mode;
      step.bottleneck_s = option.price.bottleneck_s;
      insert(std::move(added), next, bundle, step, to);
    }
  }

  bool is_waited_for(Index member, int members) const {
    for (Index m = member + 1; m < tangle_.waits_for.size(); ++m) {
      if ((members >> m & 1) != 0 && (tangle_.waits_for[m] >> member & 1) != 0) return true;
    }
    return false;
  }

  // Devices for the whole network without these members.
  int least_devices(int members) const {
    Work others = search_.space_.sequence(search_.space_.root()).before.back();
    for (Index m = 0; m < tangle_.classes.size(); ++m) {
      if ((members >> m & 1) == 0) continue;
      others = others - search_.space_.sequence(tangle_.classes[m].front()).before.back();
    }
    return search_.bounds_.least_devices(others);
  }

  void insert(Open added, int left, int bundle, const Step& stage, std::vector<Open>& to) {
    const double slop_s = search_.limits_.slop_s;
    for (const Open& other : to) {
      if (other.covers(added, left, slop_s)) return;
    }
    std::erase_if(to, [&](const Open& other) { return added.covers(other, left, 0.0); });
    search_.steps_.push_back(stage);
    Step step;
    step.kind = Step::Kind::kBranches;
    step.bundle = bundle;
    step.next = added.plan;
    step.inner = static_cast<int>(search_.steps_.size()) - 1;
    added.plan = step.inner + 1;
    search_.steps_.push_back(step);
    to.push_back(std::move(added));
    ++search_.labels_;
  }

  StageSearch& search_;
  int fork_;
  const Fork& tangle_;
  int height_;
};

Front StageSearch::solve_tangle(const OpenFork& open) {
  const int all = all_branches(open.fork) - group_of(open.tail);
  const auto [known, is_new] = tangles_.try_emplace({open.fork, all, open.height});
  if (is_new) known->second = Tangle(*this, open.fork, open.height).solve(all);
  return known->second[group_of(open.head)];
}

// Heads are downsets, and tails what downsets leave. Where these are too many: only those of one
// order of the members.
std::vector<StageSearch::Cut> StageSearch::cuts_of_tangle(int fork, int most) {
  const int all = all_branches(fork);
  std::vector<int> sets = downsets(space_.fork(fork));
  std::erase_if(sets, [&](int set) { return set == 0 || set == all; });
  if (2 * static_cast<int>(sets.size()) > most) {
    std::erase_if(sets, [](int set) { return (set & (set + 1)) != 0; });
  }
  std::vector<Cut> result;
  for (const int set : sets) {
    const int head = space_.bundles(fork, set).front();
    result.push_back({head, space_.length(space_.bundle(head).sequence)});
    result.push_back({space_.bundles(fork, all - set).front(), 0});
  }
  return result;
}

}  // namespace lamina::pipeline
