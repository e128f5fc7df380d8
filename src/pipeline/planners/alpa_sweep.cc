// The sweep of Alpa over the largest time of a stage, and its dynamic programme for each.
#include <algorithm>

#include "pipeline/planners/alpa.h"

namespace lamina::pipeline {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

class AlpaSweep {
 public:
  explicit AlpaSweep(const AlpaProblem& problem)
      : problem_(problem),
        layers_(static_cast<int>(problem.options.size())),
        stages_(std::min(layers_, problem.devices)) {
    for (const std::vector<AlpaOption>& options : problem.options) {
      for (const AlpaOption& option : options) limits_.push_back(option.seconds);
    }
    std::sort(limits_.begin(), limits_.end());
  }

  // From the smallest limit that all layers can keep: limits so near that it matters little are
  // left out, and it ends where the largest time alone makes a plan slower than the best one.
  AlpaResult run(const Deadline& deadline) {
    constexpr double kNear = 1e-3;
    AlpaResult best;
    double last = 0.0;
    for (auto limit = smallest(deadline); limit != limits_.end(); ++limit) {
      if (*limit * problem_.micro_batches >= best.seconds) break;
      if (*limit < last * (1.0 + kNear)) continue;
      if (deadline.passed()) return {};
      last = *limit;
      fill(*limit);
      AlpaResult found = result();
      found.states = best.states + static_cast<std::int64_t>(cells_.size());
      if (found.seconds >= best.seconds) {
        best.states = found.states;
      } else {
        best = std::move(found);
      }
    }
    return best;
  }

 private:
  struct Cell {
    double sum = kNever;
    const AlpaOption* option = nullptr;
  };

  std::vector<double>::iterator smallest(const Deadline& deadline) {
    auto first = limits_.begin(), end = limits_.end();
    while (first != end && !deadline.passed()) {
      const auto middle = first + (end - first) / 2;
      fill(*middle);
      if (result().stages.empty()) {
        first = middle + 1;
      } else {
        end = middle;
      }
    }
    return first;
  }

  std::size_t index(int stages, int layer, int devices) const {
    const auto width = static_cast<std::size_t>(problem_.devices) + 1;
    return (static_cast<std::size_t>(stages) * (static_cast<std::size_t>(layers_) + 1) +
            static_cast<std::size_t>(layer)) *
               width +
           static_cast<std::size_t>(devices);
  }

  // The least sums of the layers from each one on, in so many stages on exactly so many devices.
  void fill(double limit) {
    cells_.assign(index(stages_, layers_, problem_.devices) + 1, {});
    cells_[index(0, layers_, 0)].sum = 0.0;
    for (int stages = 1; stages <= stages_; ++stages) {
      for (int layer = layers_ - 1; layer >= 0; --layer) {
        for (const AlpaOption& option : problem_.options[static_cast<std::size_t>(layer)]) {
          if (option.seconds > limit) break;
          if (stages <= option.most) extend(stages, layer, option);
        }
      }
    }
  }

  void extend(int stages, int layer, const AlpaOption& option) {
    const Cell* rest = &cells_[index(stages - 1, option.next, 0)];
    Cell* found = &cells_[index(stages, layer, option.devices)];
    for (int devices = 0; devices + option.devices <= problem_.devices; ++devices) {
      const double sum = rest[devices].sum + option.seconds;
      if (sum < found[devices].sum) found[devices] = {sum, &option};
    }
  }

  AlpaResult result() const {
    int best_stages = 0, best_devices = 0;
    double least = kNever;
    for (int stages = 1; stages <= stages_; ++stages) {
      for (int devices = 1; devices <= problem_.devices; ++devices) {
        const double sum = cells_[index(stages, 0, devices)].sum;
        if (sum >= least) continue;
        least = sum;
        best_stages = stages;
        best_devices = devices;
      }
    }
    AlpaResult result;
    if (least == kNever) return result;
    double largest = 0.0;
    for (int layer = 0; best_stages > 0; --best_stages) {
      const AlpaOption& option = *cells_[index(best_stages, layer, best_devices)].option;
      result.stages.push_back(option);
      largest = std::max(largest, option.seconds);
      layer = option.next;
      best_devices -= option.devices;
    }
    result.seconds = least + (problem_.micro_batches - 1) * largest;
    return result;
  }

  const AlpaProblem& problem_;
  int layers_;
  int stages_;
  std::vector<double> limits_;
  std::vector<Cell> cells_;
};

}  // namespace

AlpaResult least_sum(const AlpaProblem& problem, const Deadline& deadline) {
  return AlpaSweep(problem).run(deadline);
}

}  // namespace lamina::pipeline
