// The optimiser: from a graph to an equal graph with fused regions that runs faster here.
//
// Nothing is returned that was not checked: every fused region was proved equal to what it
// replaces by verify(), on a small instance and at some elements of the full shape, compared with
// the reference device at full shape, and timed against the unfused region in the same interleaved
// run.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "lamina/device.h"
#include "lamina/graph.h"
#include "lamina/machine.h"
#include "lamina/verify.h"

namespace lamina {

struct OptimizeOptions {
  double budget_s = 60.0;  // stop looking for candidates after this many seconds
  int threads = 0;         // of the timed runs; 0: all cores
  int candidates = 8;      // tilings compiled per fusion
  std::int64_t seed = 1;   // of the inputs of comparisons and timings
  std::string cache_dir;   // "": the default; holds compiled kernels and found programs
  bool fresh = false;      // do not use, nor add to, the programs found by earlier runs
  std::int64_t rotate_bytes = 256 << 20;  // weights are rotated through this much memory
  bool size_classes = false;  // search for each class of the named sizes too, with a budget each
  // What the search prices programs with; absent: measured once and remembered in the cache folder.
  std::optional<CpuMachine> machine;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("threads", self.threads, "threads of the timed runs; 0: one per core");
    visit("candidates", self.candidates, "tilings compiled per fusion");
    visit("seed", self.seed, "seed of the inputs that candidates are compared and timed on");
    visit("cache_dir", self.cache_dir, "folder of compiled kernels and found programs");
    visit("fresh", self.fresh, "neither use nor add to the programs found by earlier runs");
    visit("rotate_bytes", self.rotate_bytes, "bytes of weights in rotation while timing");
    visit("size_classes", self.size_classes,
          "search for each class of the named sizes too, with a budget each");
  }
};

// Where the seconds of one subprogram went. What candidates are judged by runs on several cores at
// the same time: those seconds are summed over the threads.
struct SearchSeconds {
  double prove = 0.0;     // identity tests and emulated arithmetic
  double compile = 0.0;   // mostly the C++ compiler
  double compare = 0.0;   // with the reference device, and waiting for it
  double screen = 0.0;    // short timings of all candidates
  double race = 0.0;      // of the best against the unfused subprogram
  double elements = 0.0;  // proofs of output elements at full shape
};

// One distinct subprogram of the model and what became of it.
struct RegionReport {
  std::string name;  // of its last node
  std::string hash;  // structure_hash of the subprogram
  int count = 1;     // how often it occurs in the model
  int nodes = 0;
  std::string choice;            // "unfused", or the fusion and its tiling
  double before_ms = 0.0;        // median, unfused
  double after_ms = 0.0;         // median, chosen
  double spread = 0.0;           // (third - first quartile) / median of the `after` times
  std::string verdict;           // of the chosen candidate: "equivalent", or "unchanged"
  std::optional<double> bits;    // proved for the choice, less log2 of how many were tried
  std::optional<Verdict> proof;  // what was compared for the choice, over which primes
  // Output elements of the choice itself at full shape (VerifyOptions::elements); kUnsupported,
  // with the reason, where one of them needs too much. Empty: nothing was chosen.
  std::optional<Verdict> full_shape;
  std::int64_t states = 0;   // operations that the search considered
  std::int64_t pruned = 0;   // of these: refused by abstract terms
  std::int64_t unsafe = 0;   // of these: exponentials of what the program takes none of
  std::int64_t large = 0;    // of these: in programs of more operators than the limit
  std::int64_t misfits = 0;  // of these: shapes or cuts do not fit, or undefined
  std::int64_t merged = 0;   // of these: equal to a value that was known
  std::int64_t values = 0;   // different values that it kept
  double enumerate_s = 0.0;  // of the search alone
  int candidates = 0;        // generated
  int judged = 0;            // in this run
  int resumed = 0;           // judged by an earlier run that was interrupted
  int refused = 0;           // by verify or by the comparison with the reference device
  int timed = 0;
  bool from_cache = false;
  double search_s = 0.0;
  SearchSeconds seconds;
};

enum class StopReason : std::uint8_t { kFinished, kBudget, kStopped };

struct OptimizeResult {
  Graph graph;             // the best found: equal to the input graph
  double before_ms = 0.0;  // the whole program, unfused: median of an interleaved run
  double after_ms = 0.0;
  double spread = 0.0;  // (third - first quartile) / median of the `after` times
  double search_s = 0.0;
  std::string verdict;         // of the whole: the weakest of its regions'
  std::optional<double> bits;  // the least of its regions'
  std::string refusal;         // why a program with fused regions was not kept; empty: it was
  std::vector<RegionReport> regions;
  std::vector<std::string> warnings;  // of files that could not be used; the run went on
  StopReason stopped = StopReason::kFinished;
  std::string source;  // generated code of the chosen program
  // With size_classes: what became of each class of sizes. Its `graph` serves `sizes` alone and is
  // empty where `refusal` says why the program of all sizes serves them better.
  std::vector<OptimizeResult> classes;
  // Of a class: its sizes, where those with one value are bound in the graph, and the times of the
  // program of all sizes and of its own at sizes of the class, medians of one interleaved run.
  std::vector<SizeRange> sizes;
  double general_ms = 0.0;
  double own_ms = 0.0;

  double ratio() const { return after_ms > 0 ? before_ms / after_ms : 0.0; }
};

// "T 2..8, B 1"
std::string to_string(const std::vector<SizeRange>& sizes);

// Called with a short description of what is being done and how far the search is in [0, 1].
using OptimizeProgress = std::function<void(const std::string& what, double done)>;

// Optimises `graph` for `device`. Weights without elements take random ones for comparisons and
// timings. Named sizes are tried at the ends and the middle of their ranges, or of their classes'
// (docs/design/optimize.md, "Size classes"). Stops early, with the best so far, when `stop` is
// requested or the budget is spent.
OptimizeResult optimize(const Graph& graph, const Device& device, const OptimizeOptions& options,
                        std::stop_token stop = {}, const OptimizeProgress& progress = {});

}  // namespace lamina
