// The machine's peaks, measured.
#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "base/check.h"
#include "kernels/peak.h"
#include "lamina/bench.h"

namespace lamina {
namespace {

// Runs `work(thread)` on all threads at once; seconds until the last one is done.
template <class Work>
double run_on_threads(int threads, Work work) {
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads; ++t) workers.emplace_back([&work, t] { work(t); });
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return taken.count();
}

}  // namespace

MachinePeaks measure_peaks(int threads, std::int64_t working_set) {
  require(threads > 0 && threads <= 1024, "measure_peaks: expected 1 to 1024 threads, got {}",
          threads);
  // Many short tries, of which the best counts: on a shared machine long ones are interrupted. A
  // try reads a part of the memory, so that a cache that would keep it has forgotten it at the next
  // round; what is smaller than a part is read again and again.
  constexpr std::int64_t kPartBytes = 32 << 20;
  constexpr std::int64_t kIterations = 1 << 18;
  constexpr std::int64_t kRepeats = 48;
  const auto workers = static_cast<std::size_t>(threads);
  const std::int64_t least = 4096 * static_cast<std::int64_t>(threads);
  const std::int64_t bytes = std::clamp(working_set, least, 8 * kPartBytes);
  const std::vector<std::uint64_t> memory(static_cast<std::size_t>(bytes) / sizeof(std::uint64_t),
                                          1);
  const std::int64_t parts = std::max<std::int64_t>(1, bytes / kPartBytes);
  const std::int64_t passes = std::max<std::int64_t>(1, kPartBytes / bytes);
  const std::size_t words_of_part = memory.size() / static_cast<std::size_t>(parts);
  std::vector<std::uint64_t> words(workers);
  std::vector<float> sinks(workers);
  MachinePeaks peaks;
  peaks.threads = threads;
  for (std::int64_t repeat = 0; repeat < kRepeats; ++repeat) {
    const std::span part = std::span(memory).subspan(
        static_cast<std::size_t>(repeat % parts) * words_of_part, words_of_part);
    const double read_s = run_on_threads(threads, [&](int t) {
      const std::size_t share = part.size() / workers;
      for (std::int64_t pass = 0; pass < passes; ++pass) {
        words[static_cast<std::size_t>(t)] ^=
            kernels::read_all(part.subspan(static_cast<std::size_t>(t) * share, share));
      }
    });
    double flops = 0.0;
    const double compute_s = run_on_threads(threads, [&](int t) {
      const double done =
          kernels::run_multiply_adds(kIterations, sinks[static_cast<std::size_t>(t)]);
      if (t == 0) flops = done;
    });
    const double read = static_cast<double>(part.size_bytes()) * static_cast<double>(passes);
    peaks.read_gb_s = std::max(peaks.read_gb_s, read / read_s / 1e9);
    peaks.f32_gflop_s = std::max(peaks.f32_gflop_s, flops * threads / compute_s / 1e9);
  }
  // The results are used, so that the loops cannot be removed.
  const std::uint64_t used = std::accumulate(words.begin(), words.end(), std::uint64_t{0});
  check(used <= 1 || std::accumulate(sinks.begin(), sinks.end(), 0.0f) >= 0.0f, "impossible sum");
  return peaks;
}

}  // namespace lamina
