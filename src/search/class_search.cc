// Searching classes of sizes, and racing what is found against the program of all sizes.
#include "search/class_search.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/check.h"
#include "search/judge.h"
#include "search/race.h"
#include "search/region_search.h"
#include "search/size_classes.h"

namespace lamina::search {
namespace {

// Of the time of the program of all sizes: what a program of its own has to gain on the whole, and
// may lose at one size, before it counts as more than a race's noise.
constexpr double kWorthIt = 0.98;
constexpr double kMostLoss = 1.03;

void refuse(OptimizeResult& row, std::string reason) {
  row.refusal = std::move(reason);
  row.verdict = "unchanged";
  row.bits.reset();
  row.graph = {};
  row.source.clear();
}

// Whether the program of the class is worth having; fills the times of both.
bool is_faster(const Graph& inside, const Graph& general, const ClassSearch& context,
               OptimizeResult& row) {
  std::vector<std::vector<Tensor>> inputs;
  for (const Sizes& sizes : choose_bindings(inside, kLargestBinding)) {
    inputs.push_back(
        random_inputs(inside, sizes, static_cast<std::uint64_t>(context.options.seed)));
  }
  const RunOptions run = race_options(context.options);
  ColdProgram all(general, context.device, run, context.options.rotate_bytes);
  ColdProgram own(row.graph, context.device, run, context.options.rotate_bytes);
  std::vector<ColdProgram*> racers = {&all, &own};
  const std::vector<std::vector<Timing>> times = race(racers, inputs, kWholeRace);
  row.general_ms = typical_ms(times[0]);
  row.own_ms = typical_ms(times[1]);
  bool faster = row.own_ms <= kWorthIt * row.general_ms;
  for (std::size_t b = 0; b < inputs.size(); ++b) {
    faster = faster && times[1][b].median_ms <= kMostLoss * times[0][b].median_ms;
  }
  return faster;
}

OptimizeResult search_class(const Graph& graph, const SizeClass& sizes, const Graph& general,
                            const ClassSearch& context) {
  const Graph inside = narrow(graph, sizes);
  OptimizeResult row;
  if (!is_comparable(inside)) {
    refuse(row, "too large for the reference device");
  } else {
    const std::string name = to_string(sizes);
    row = context.search(inside, [&](const std::string& what, double done) {
      if (context.progress) context.progress(name + ": " + what, done);
    });
    if (!is_faster(inside, general, context, row)) {
      refuse(row, "not faster than the program of all sizes");
    }
  }
  row.sizes = sizes;
  return row;
}

// Two classes with programs of their own as one, where the programs are the same: what was proved
// and compared for the sizes of each holds for both.
std::optional<OptimizeResult> joined(const OptimizeResult& a, const OptimizeResult& b) {
  const std::optional<SizeClass> sizes = join(a.sizes, b.sizes);
  if (!sizes || a.graph.nodes.empty() || b.graph.nodes.empty()) return std::nullopt;
  Graph both = with_ranges(a.graph, *sizes);
  if (print_graph(both) != print_graph(with_ranges(b.graph, *sizes))) return std::nullopt;
  OptimizeResult row = a;
  row.graph = std::move(both);
  row.sizes = *sizes;
  row.bits = a.bits && b.bits ? std::min(a.bits, b.bits) : std::nullopt;
  row.spread = std::max(a.spread, b.spread);
  row.search_s += b.search_s;
  row.stopped = std::max(a.stopped, b.stopped);
  for (double OptimizeResult::*time : {&OptimizeResult::before_ms, &OptimizeResult::after_ms,
                                       &OptimizeResult::general_ms, &OptimizeResult::own_ms}) {
    row.*time = std::sqrt(a.*time * b.*time);
  }
  row.regions.insert(row.regions.end(), b.regions.begin(), b.regions.end());
  return row;
}

void join_neighbours(std::vector<OptimizeResult>& classes) {
  for (std::size_t i = 0; i < classes.size(); ++i) {
    for (std::size_t j = i + 1; j < classes.size(); ++j) {
      std::optional<OptimizeResult> both = joined(classes[i], classes[j]);
      if (!both) continue;
      classes[i] = std::move(*both);
      classes.erase(classes.begin() + static_cast<std::ptrdiff_t>(j));
      i = static_cast<std::size_t>(-1);  // the new class may have other neighbours
      break;
    }
  }
}

}  // namespace

void search_classes(const Graph& graph, const ClassSearch& context, OptimizeResult& result) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<SizeClass> classes = size_classes(graph);
  if (classes.size() < 2) return;
  if (!graph.updates.empty()) {
    result.warnings.emplace_back("no size classes: the states of the model live in one program");
    return;
  }
  const Graph filled = fill_weights(graph, static_cast<std::uint64_t>(context.options.seed));
  for (const SizeClass& sizes : classes) {
    if (context.stop.stop_requested()) {
      result.stopped = StopReason::kStopped;
      break;
    }
    OptimizeResult row = search_class(filled, sizes, result.graph, context);
    result.warnings.insert(result.warnings.end(), row.warnings.begin(), row.warnings.end());
    if (row.stopped == StopReason::kStopped) result.stopped = StopReason::kStopped;
    result.classes.push_back(std::move(row));
  }
  join_neighbours(result.classes);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  result.search_s += taken.count();
}

}  // namespace lamina::search

std::string lamina::to_string(const std::vector<SizeRange>& sizes) {
  std::string text;
  for (const SizeRange& range : sizes) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", range.name, range.min);
    if (range.max != range.min) text += fmt::format("..{}", range.max);
  }
  return text;
}
