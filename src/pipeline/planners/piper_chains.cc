// The dynamic programme of Piper. For every downset and number of devices it keeps the sums at
// which a chain of the operators outside gets faster, as the original's faster variant does: a
// larger sum only helps where memory is short, so there are few.
#include <algorithm>

#include "pipeline/planners/piper.h"

namespace lamina::pipeline {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
// A sum must be so much faster than a smaller one to be kept: times are sums of rounded numbers.
constexpr double kFaster = 1.0 - 1e-9;

struct Point {
  double seconds = kNever;
  int sum = 0;
  int outer = -1;
  int way = 0;
  int rest = -1;  // the point of the later stages
};
// A point on a front, with what is asked of it most.
struct Entry {
  double seconds = 0.0;
  int sum = 0;
  int point = 0;
};

class PiperSearch {
 public:
  PiperSearch(const Downsets& sets, const PiperProblem& problem)
      : sets_(sets),
        problem_(problem),
        sums_(static_cast<std::size_t>(problem.most_sum) + 1),
        begins_(static_cast<std::size_t>(sets.size()) *
                (static_cast<std::size_t>(problem.devices) + 2)),
        best_(sums_ * (static_cast<std::size_t>(problem.devices) + 1)) {
    points_.push_back({0.0, 0, sets.size() - 1, 0, -1});
    entries_.push_back({0.0, 0, 0});
    for (int devices = 1; devices <= problem.devices + 1; ++devices) {
      begin(sets.size() - 1, devices) = 1;
    }
  }

  bool run(const Deadline& deadline) {
    for (int inner = sets_.size() - 2; inner >= 0; --inner) {
      std::fill(best_.begin(), best_.end(), Point{});
      for (int outer = inner + 1; outer < sets_.size(); ++outer) {
        if (!sets_.inside(inner, outer)) continue;
        const std::span<const StageWay> ways = problem_.ways(inner, outer);
        for (std::size_t way = 0; way < ways.size(); ++way) {
          extend(outer, ways[way], static_cast<int>(way));
        }
        if (deadline.passed()) return false;
      }
      keep(inner);
    }
    return true;
  }

  PiperResult result() const {
    PiperResult result;
    result.states = static_cast<std::int64_t>(points_.size());
    const std::span<const Entry> all = front(0, problem_.devices);
    if (all.empty()) return result;
    int inner = 0;
    for (int at = all.back().point; points_[index(at)].rest >= 0; at = points_[index(at)].rest) {
      const Point& point = points_[index(at)];
      if (inner == 0) result.seconds = point.seconds;
      result.stages.push_back({inner, point.outer, point.way, point.sum});
      inner = point.outer;
    }
    return result;
  }

 private:
  static std::size_t index(int value) { return static_cast<std::size_t>(value); }
  // Points with rising sums and falling times: those of one set are side by side, by devices. Of
  // no stages at all there is one point, whatever the devices.
  std::size_t& begin(int set, int devices) {
    return begins_[index(set) * (index(problem_.devices) + 2) + index(devices)];
  }
  std::span<const Entry> front(int set, int devices) const {
    if (set == sets_.size() - 1) devices = 0;
    const std::size_t* at = &begins_[index(set) * (index(problem_.devices) + 2) + index(devices)];
    return {entries_.data() + at[0], at[1] - at[0]};
  }

  // Puts a stage, run in one way, before the chains of `outer`.
  void extend(int outer, const StageWay& way, int number) {
    for (int devices = way.devices; devices <= problem_.devices; ++devices) {
      auto step = way.steps.begin();
      for (const Entry& later : front(outer, devices - way.devices)) {
        const int sum = later.sum + way.share;
        while (step != way.steps.end() && step->most < sum) ++step;
        if (sum > problem_.most_sum || step == way.steps.end()) break;
        Point& found = best_[index(devices) * sums_ + index(sum)];
        const double seconds = std::max(later.seconds, step->seconds);
        if (seconds < found.seconds) found = {seconds, sum, outer, number, later.point};
        if (later.seconds <= step->seconds) break;  // with larger sums this stage is no faster
      }
    }
  }

  // What is best on fewer devices is there on more, too.
  void keep(int inner) {
    begin(inner, 0) = begin(inner, 1) = entries_.size();
    for (int devices = 1; devices <= problem_.devices; ++devices) {
      std::size_t next = begin(inner, devices - 1);
      const std::size_t end = entries_.size();
      double fastest = kNever;
      for (int sum = 0; sum <= problem_.most_sum; ++sum) {
        const Point& found = best_[index(devices) * sums_ + index(sum)];
        Entry entry{found.seconds, sum, -1};
        if (next < end && entries_[next].sum == sum) {
          if (entries_[next].seconds <= found.seconds) entry = entries_[next];
          ++next;
        }
        if (!(entry.seconds < fastest * kFaster)) continue;
        fastest = entry.seconds;
        if (entry.point < 0) {
          entry.point = static_cast<int>(points_.size());
          points_.push_back(found);
        }
        entries_.push_back(entry);
      }
      begin(inner, devices + 1) = entries_.size();
    }
  }

  const Downsets& sets_;
  const PiperProblem& problem_;
  std::size_t sums_;
  std::vector<Point> points_;
  std::vector<Entry> entries_;
  std::vector<std::size_t> begins_;  // of fronts in entries_
  std::vector<Point> best_;          // of the set that is looked at, by devices and sum
};

}  // namespace

PiperResult fastest_chain(const Downsets& sets, const PiperProblem& problem,
                          const Deadline& deadline) {
  PiperSearch search(sets, problem);
  if (!search.run(deadline)) return {};
  return search.result();
}

}  // namespace lamina::pipeline
