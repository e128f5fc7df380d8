// What term pruning and merging by fingerprints save: the space of block programs of a norm and the
// product after it, by the number of operators a program may have (Mirage, table 5, has the same
// program and 5 to 11 operators).
//
//   build/bench/bench_search_ablation [SECONDS_PER_ROW]
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <limits>

#include "graph/simplify.h"
#include "search/block_space.h"

namespace {

using namespace lamina;
using namespace lamina::search;

constexpr const char* kProgram = R"(lamina 1
graph rms_norm_linear(x: f32[16, 4096], w: f32[4096, 6144]) {
  m = sum(x * x, axes=[-1], keepdims=true) * 0.000244140625
  y = matmul(x / sqrt(m + 0.00001), w)
  return y
}
)";

void row(const Graph& program, int operators, bool prune, bool merge, double seconds) {
  SpaceLimits limits;
  limits.operators = operators;
  limits.values = 1 << 20;
  limits.evaluations = std::numeric_limits<std::int64_t>::max();
  limits.prune_terms = prune;
  limits.merge_equal = merge;
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  BlockSpace space(program, {{1}, Dim(4096)}, limits);
  const bool ended = space.run([&] { return elapsed() > seconds; });
  const SpaceStatistics& s = space.statistics();
  fmt::print("| {} | {} | {} | {} | {} | {} | {}{:.3f} | {} |\n", operators, prune ? "yes" : "no",
             merge ? "yes" : "no", s.states, s.values, s.merged, ended ? "" : "> ", elapsed(),
             space.complete() ? "yes" : "no");
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 20.0;
  const Graph program = simplify(parse_graph(kProgram));
  fmt::print("| operators | terms | merging | operations | values | merged | seconds | found |\n");
  fmt::print("|---|---|---|---|---|---|---|---|\n");
  for (const auto& [prune, merge] : {std::pair(true, true), std::pair(true, false),
                                     std::pair(false, true), std::pair(false, false)}) {
    for (int operators = 5; operators <= 11; ++operators) {
      row(program, operators, prune, merge, seconds);
    }
  }
}
