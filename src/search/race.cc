// Races between equal programs.
#include "search/race.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "kernels/peak.h"

namespace lamina::search {
namespace {

// Rounds of one run of everybody who is still in it.
class Screening {
 public:
  Screening(std::span<Program* const> contenders, std::span<const std::vector<Tensor>> bindings,
            std::int64_t flush_bytes)
      : contenders_(contenders),
        bindings_(bindings),
        flush_(static_cast<std::size_t>(flush_bytes) / sizeof(std::uint64_t), 1),
        best_(contenders.size(), std::vector<double>(bindings.size(), kNever)),
        in_(contenders.size(), true) {}

  std::vector<double> run() {
    outputs_.resize(contenders_.size());
    for (std::size_t c = 0; c < contenders_.size(); ++c) {
      for (const auto& inputs : bindings_) outputs_[c].push_back(contenders_[c]->run(inputs));
    }
    // The first rounds leave much room for what a shared machine does to one run.
    static constexpr double kRoom[] = {2.5, 1.6, 1.35, 1.25, 1.2};
    constexpr int kMostRounds = 15;
    constexpr double kSecondsEach = 0.03;
    for (int r = 0; r < kMostRounds; ++r) {
      run_round();
      drop(kRoom[std::min<std::size_t>(static_cast<std::size_t>(r), std::size(kRoom) - 1)]);
      const auto left = std::count(in_.begin(), in_.end(), true);
      if (left == 1) break;
      if (r + 1 >= kFewestRounds && spent_s_ > kSecondsEach * static_cast<double>(in_.size())) {
        break;
      }
    }
    std::vector<double> result;
    for (std::size_t c = 0; c < contenders_.size(); ++c) result.push_back(milliseconds(c));
    return result;
  }

 private:
  static constexpr double kNever = std::numeric_limits<double>::infinity();
  static constexpr int kFewestRounds = 4;

  void run_round() {
    for (std::size_t b = 0; b < bindings_.size(); ++b) {
      for (std::size_t c = 0; c < contenders_.size(); ++c) {
        if (in_[c]) best_[c][b] = std::min(best_[c][b], time(c, b));
      }
    }
  }

  double time(std::size_t c, std::size_t b) {
    flush(bindings_[b]);
    const auto start = std::chrono::steady_clock::now();
    contenders_[c]->run_into(bindings_[b], outputs_[c][b]);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    spent_s_ += taken.count();
    return taken.count() * 1000.0;
  }

  // Inputs are what a model's step before would have left in the caches: they come back.
  void flush(const std::vector<Tensor>& inputs) {
    if (flush_.empty()) return;
    kernels::read_all(flush_);
    for (const Tensor& input : inputs) {
      const auto* words = reinterpret_cast<const std::uint64_t*>(input.data());
      kernels::read_all({words, input.bytes() / sizeof(std::uint64_t)});
    }
  }

  double milliseconds(std::size_t c) const {
    double log_sum = 0.0;
    for (const double ms : best_[c]) log_sum += std::log(ms);
    return std::exp(log_sum / static_cast<double>(bindings_.size()));
  }

  void drop(double room) {
    double best = kNever;
    for (std::size_t c = 0; c < in_.size(); ++c) best = std::min(best, milliseconds(c));
    for (std::size_t c = 0; c < in_.size(); ++c) {
      if (milliseconds(c) > room * best) in_[c] = false;
    }
  }

  std::span<Program* const> contenders_;
  std::span<const std::vector<Tensor>> bindings_;
  std::vector<std::uint64_t> flush_;
  std::vector<std::vector<double>> best_;  // milliseconds by contender and binding
  std::vector<bool> in_;
  std::vector<std::vector<std::vector<Tensor>>> outputs_;  // by contender and binding
  double spent_s_ = 0.0;
};

}  // namespace

RunOptions race_options(const OptimizeOptions& options) {
  return {.threads = options.threads, .cache_dir = options.cache_dir, .max_compiles = 4096};
}

std::vector<std::vector<Timing>> race(std::span<ColdProgram*> contenders,
                                      std::span<const std::vector<Tensor>> bindings,
                                      const TimingOptions& options) {
  std::vector<std::vector<Timing>> result(contenders.size());
  for (const std::vector<Tensor>& inputs : bindings) {
    std::vector<std::function<void()>> runs;
    for (ColdProgram* contender : contenders) {
      contender->bind(inputs);
      runs.emplace_back([contender] { contender->run(); });
    }
    const std::vector<Timing> timings = time_interleaved(runs, options);
    for (std::size_t c = 0; c < contenders.size(); ++c) result[c].push_back(timings[c]);
  }
  return result;
}

std::vector<double> screen(std::span<Program* const> contenders,
                           std::span<const std::vector<Tensor>> bindings,
                           std::int64_t flush_bytes) {
  return Screening(contenders, bindings, flush_bytes).run();
}

}  // namespace lamina::search
