// Interleaved timing.
#include <algorithm>
#include <chrono>

#include "lamina/bench.h"

namespace lamina {
namespace {

double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

double time_ms(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
  return taken.count();
}

}  // namespace

Timing summarize(std::vector<double> milliseconds) {
  Timing timing;
  if (milliseconds.empty()) return timing;
  std::sort(milliseconds.begin(), milliseconds.end());
  timing.runs = static_cast<int>(milliseconds.size());
  timing.median_ms = quantile(milliseconds, 0.5);
  timing.best_ms = milliseconds.front();
  timing.spread = (quantile(milliseconds, 0.75) - quantile(milliseconds, 0.25)) / timing.median_ms;
  return timing;
}

std::vector<Timing> time_interleaved(std::span<const std::function<void()>> contenders,
                                     const TimingOptions& options) {
  for (const auto& contender : contenders) contender();
  std::vector<std::vector<double>> times(contenders.size());
  double spent_ms = 0.0;
  const double budget_ms = options.min_seconds * 1000.0 *
                           static_cast<double>(std::max<std::size_t>(1, contenders.size()));
  for (int run = 0; run < options.max_runs; ++run) {
    if (run >= options.min_runs && spent_ms >= budget_ms) break;
    for (std::size_t c = 0; c < contenders.size(); ++c) {
      times[c].push_back(time_ms(contenders[c]));
      spent_ms += times[c].back();
    }
  }
  std::vector<Timing> result;
  for (auto& each : times) result.push_back(summarize(std::move(each)));
  return result;
}

}  // namespace lamina
