// The main job: partition, search each distinct subprogram, put the best together, compare, time.
#include "lamina/optimize.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/thread_pool.h"
#include "exec/cpu/compile_cache.h"
#include "search/candidates.h"
#include "search/channels_last.h"
#include "search/found.h"
#include "search/judge.h"
#include "search/partition.h"
#include "search/race.h"

namespace lamina {
namespace {

using namespace search;

// Part of the key of every found recipe: raised when generated code changes its speed or meaning.
constexpr const char* kSearchVersion = "6";
constexpr std::int64_t kLargestBinding = 128;  // of a named size while comparing and timing
constexpr double kWorthIt = 0.98;  // of the unfused time: smaller gains drown in a race's noise

// Equal subprograms of the model, searched once.
struct Group {
  Graph program;
  std::string hash;
  std::vector<Region> places;
};

double geometric_mean(const std::vector<Timing>& times) {
  double log_sum = 0.0;
  for (const Timing& timing : times) log_sum += std::log(timing.median_ms);
  return std::exp(log_sum / static_cast<double>(times.size()));
}

class Optimizer {
 public:
  Optimizer(const Device& device, const OptimizeOptions& options, std::stop_token stop,
            const OptimizeProgress& progress)
      : device_(device), options_(options), stop_(std::move(stop)), progress_(progress) {
    run_options_.threads = options.threads;
    run_options_.cache_dir = options.cache_dir;
    run_options_.max_compiles = 4096;
    if (!options.fresh) {
      const std::string dir =
          options.cache_dir.empty() ? cpu::default_cache_dir() : options.cache_dir;
      make_folder(dir);
      found_.emplace(dir + "/found.sqlite");
    }
  }

  OptimizeResult run(const Graph& graph) {
    const Graph filled = fill_weights(graph, seed());
    const Graph original = prepare(filled);
    const std::optional<Graph> moved = move_channels(filled);
    const Graph& prepared = moved ? *moved : original;
    const std::vector<Group> groups = group(prepared);
    std::vector<Replacement> replacements;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      report(groups[i].program.name, static_cast<double>(i) / static_cast<double>(groups.size()));
      const Recipe recipe = search_group(groups[i]);
      if (recipe.parts.empty()) continue;
      for (const Region& place : groups[i].places) {
        replacements.push_back({place, *apply(cut(prepared, place), recipe)});
      }
    }
    finish(original, replace(prepared, replacements), moved || !replacements.empty());
    result_.search_s = elapsed_s();
    return std::move(result_);
  }

 private:
  double elapsed_s() const {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
    return taken.count();
  }

  int threads() const { return options_.threads > 0 ? options_.threads : usable_cores(); }

  std::uint64_t seed() const { return static_cast<std::uint64_t>(options_.seed); }

  void report(const std::string& what, double done) const {
    if (progress_) progress_(what, done);
  }

  // True, with the reason noted, when no further candidate should be tried.
  bool out_of_time() {
    if (stop_.stop_requested()) {
      result_.stopped = StopReason::kStopped;
    } else if (elapsed_s() > options_.budget_s) {
      result_.stopped = StopReason::kBudget;
    }
    return result_.stopped != StopReason::kFinished;
  }

  std::vector<Group> group(const Graph& prepared) {
    std::vector<Group> groups;
    const Partition parts = partition(prepared, rates_of(machine(), threads()));
    for (const Region& region : parts.regions) {
      Graph program = cut(prepared, region);
      std::string hash = structure_hash(program);
      const auto known = std::find_if(groups.begin(), groups.end(),
                                      [&](const Group& group) { return group.hash == hash; });
      if (known != groups.end()) {
        known->places.push_back(region);
      } else {
        groups.push_back({std::move(program), std::move(hash), {region}});
      }
    }
    return groups;
  }

  std::string found_key(const Group& group) const {
    std::string key = group.hash + "|" + device_.description() + "|" +
                      std::to_string(options_.threads) + "|" + kSearchVersion;
    // What is measured here goes with the device; what is given decides what was tried.
    if (options_.machine) key += "|" + Hasher().add(to_json(*options_.machine)).hex();
    return key;
  }

  const CpuMachine& machine() {
    if (!machine_ && options_.machine) machine_ = options_.machine;
    if (!machine_) {
      RememberedMachine remembered = remembered_cpu_machine(run_options_);
      if (!remembered.warning.empty()) result_.warnings.push_back(remembered.warning);
      machine_ = std::move(remembered.machine);
    }
    return *machine_;
  }

  Recipe search_group(const Group& group) {
    const double started = elapsed_s();
    RegionReport row;
    row.name = group.program.name;
    row.hash = group.hash;
    row.count = static_cast<int>(group.places.size());
    row.nodes = static_cast<int>(operator_nodes(group.program).size());
    const std::optional<Recipe> known =
        found_ ? found_->find(found_key(group)) : std::optional<Recipe>();
    Candidates found;
    if (known) {
      found.recipes = {*known};
    } else {
      found = candidates(group.program);
    }
    const std::vector<Recipe>& recipes = found.recipes;
    row.states = found.statistics.states;
    row.pruned = found.statistics.pruned;
    row.merged = found.statistics.merged;
    row.values = found.statistics.values;
    row.enumerate_s = found.seconds;
    row.from_cache = known.has_value();
    row.candidates = static_cast<int>(recipes.size());
    const Recipe chosen = choose(group.program, recipes, row);
    if (found_ && !known && result_.stopped == StopReason::kFinished) {
      found_->remember(found_key(group), chosen, row.before_ms, row.after_ms);
    }
    row.choice = chosen.describe();
    row.search_s = elapsed_s() - started;
    result_.regions.push_back(row);
    return chosen;
  }

  Candidates candidates(const Graph& program) {
    Limits limits;
    limits.threads = threads();
    limits.candidates = static_cast<std::size_t>(std::max(1, options_.candidates));
    limits.stop = [this] { return out_of_time(); };
    limits.machine = block_machine(machine(), limits.threads);
    Candidates found = generate(program, limits);
    if (auto parts = partition_recipe(program, rates_of(machine(), threads()))) {
      found.recipes.push_back(std::move(*parts));
    }
    return found;
  }

  // An accepted way to run the subprogram; the unfused program has the empty recipe.
  struct Contender {
    Recipe recipe;
    Graph graph;
    Verdict proof;  // of this candidate alone
  };

  Recipe choose(const Graph& program, const std::vector<Recipe>& recipes, RegionReport& row) {
    row.verdict = "unchanged";
    if (recipes.empty() || (recipes.size() == 1 && recipes[0].parts.empty())) return {};
    const Judge judge(program, choose_bindings(program, kLargestBinding), seed());
    std::vector<Contender> contenders = {{{}, program, {}}};
    int tried = 0;
    for (const Recipe& recipe : recipes) {
      if (out_of_time()) break;
      ++tried;
      if (auto contender = admit(program, recipe, recipes.size(), judge)) {
        contenders.push_back(std::move(*contender));
      } else {
        ++row.refused;
      }
    }
    row.timed = static_cast<int>(contenders.size()) - 1;
    const std::size_t best = pick(contenders, judge, row);
    if (best == 0) return {};
    // The best of several candidates: any of them could have been accepted wrongly.
    const double bits = contenders[best].proof.bits.value_or(0.0);
    row.bits = std::floor(10.0 * (bits - std::log2(std::max(1, tried)))) / 10.0;
    row.proof = std::move(contenders[best].proof);
    return contenders[best].recipe;
  }

  // Proves and compares one of so many candidates; nothing when it is refused.
  std::optional<Contender> admit(const Graph& program, const Recipe& recipe, std::size_t candidates,
                                 const Judge& judge) const {
    std::optional<Graph> graph = apply(program, recipe);
    if (!graph) return std::nullopt;
    Verdict verdict = judge.prove(recipe, candidates);
    if (verdict.outcome != Outcome::kEquivalent || judge.numeric_fault(recipe)) {
      return std::nullopt;
    }
    const auto compiled = device_.compile(*graph, run_options_);
    // A part that the device hands to the interpreter is no candidate: it would be slow unseen.
    if (compiled->stats().fallbacks > 0) return std::nullopt;
    if (is_wrong(*compiled, program, judge)) return std::nullopt;
    return Contender{recipe, std::move(*graph), std::move(verdict)};
  }

  // Inputs that amplify roundings may take the unfused program beyond the tolerance already: then a
  // candidate may be as far off, and no farther.
  bool is_wrong(Program& candidate, const Graph& program, const Judge& judge) const {
    const double off = judge.deviation_from_reference(candidate);
    return off > 1.0 &&
           off > judge.deviation_from_reference(*device_.compile(program, run_options_));
  }

  // A first race of all with little memory, a second of the best two against the unfused program,
  // which is number 0. The number of the best.
  std::size_t pick(const std::vector<Contender>& contenders, const Judge& judge,
                   RegionReport& row) {
    if (contenders.size() == 1) return 0;
    constexpr std::int64_t kScreenBytes = 64 << 20;
    constexpr std::size_t kFinalists = 2;
    std::vector<std::size_t> order(contenders.size() - 1);
    std::iota(order.begin(), order.end(), std::size_t{1});
    if (order.size() > kFinalists) {
      const std::vector<double> screened =
          race_of(contenders, order, judge, std::min(kScreenBytes, options_.rotate_bytes), 0.04);
      std::vector<double> by_contender(contenders.size(), 0.0);
      for (std::size_t i = 0; i < order.size(); ++i) by_contender[order[i]] = screened[i];
      std::sort(order.begin(), order.end(),
                [&](std::size_t x, std::size_t y) { return by_contender[x] < by_contender[y]; });
      order.resize(kFinalists);
    }
    order.insert(order.begin(), 0);
    const std::vector<double> times = race_of(contenders, order, judge, options_.rotate_bytes, 0.3);
    auto best =
        static_cast<std::size_t>(std::min_element(times.begin(), times.end()) - times.begin());
    if (times[best] > kWorthIt * times[0]) best = 0;
    row.before_ms = times[0];
    row.after_ms = times[best];
    if (best != 0) row.verdict = to_string(Outcome::kEquivalent);
    return order[best];
  }

  // Milliseconds of the contenders named by `which`: geometric mean over the bindings of medians.
  std::vector<double> race_of(const std::vector<Contender>& contenders,
                              const std::vector<std::size_t>& which, const Judge& judge,
                              std::int64_t rotate_bytes, double seconds) const {
    std::vector<std::unique_ptr<ColdProgram>> programs;
    std::vector<ColdProgram*> racers;
    for (const std::size_t c : which) {
      programs.push_back(
          std::make_unique<ColdProgram>(contenders[c].graph, device_, run_options_, rotate_bytes));
      racers.push_back(programs.back().get());
    }
    std::vector<double> result;
    for (const auto& times :
         race(racers, judge.inputs(), {.min_seconds = seconds, .min_runs = 7})) {
      result.push_back(geometric_mean(times));
    }
    return result;
  }

  // The graph with channels last (docs/design/convolution.md), if there are convolutions and it is
  // proved equal.
  std::optional<Graph> move_channels(const Graph& filled) {
    std::optional<ChannelsLast> moved = channels_last(filled);
    if (!moved) return std::nullopt;
    RegionReport row;
    row.name = "layout";
    row.choice = "channels last";
    row.candidates = 1;
    row.nodes = static_cast<int>(moved->moved.size());
    row.proof = prove_channels_last(filled, *moved);
    row.bits = row.proof->bits;
    const bool equal = row.proof->outcome == Outcome::kEquivalent;
    row.verdict = to_string(row.proof->outcome);
    row.refused = equal ? 0 : 1;
    row.search_s = elapsed_s();
    result_.regions.push_back(std::move(row));
    return equal ? std::optional(prepare(moved->graph)) : std::nullopt;
  }

  void finish(const Graph& prepared, Graph optimized, bool changed) {
    report("whole program", 1.0);
    const Judge judge(prepared, choose_bindings(prepared, kLargestBinding), seed());
    ColdProgram before(prepared, device_, run_options_, options_.rotate_bytes);
    ColdProgram after(optimized, device_, run_options_, options_.rotate_bytes);
    const auto program = device_.compile(optimized, run_options_);
    // Each region passed alone; together their errors may be larger. A model that amplifies
    // roundings (differences of large sums) may be beyond the tolerance unfused already: then the
    // optimised program may be as far off, and no farther.
    const double off = judge.deviation_from_reference(*program);
    const bool wrong = off > 1.0 && off > judge.deviation_from_reference(before.first());
    std::vector<ColdProgram*> racers = {&before, &after};
    const auto times = race(racers, judge.inputs(), {.min_seconds = 0.4, .min_runs = 11});
    result_.before_ms = geometric_mean(times[0]);
    result_.after_ms = geometric_mean(times[1]);
    for (const Timing& timing : times[1]) result_.spread = std::max(result_.spread, timing.spread);
    const bool faster = result_.after_ms <= result_.before_ms;
    const bool keep = changed && !wrong && faster;
    if (!keep) {
      optimized = prepared;
      result_.after_ms = result_.before_ms;
    }
    if (wrong) {
      result_.refusal = fmt::format(
          "differs from the reference by {:.2f} times the tolerance, more than the unfused program",
          off);
    } else if (!faster && changed) {
      result_.refusal = "slower as a whole";
    }
    if (keep) {
      for (const RegionReport& region : result_.regions) {
        if (region.bits) result_.bits = std::min(*region.bits, result_.bits.value_or(*region.bits));
      }
    }
    result_.verdict = keep ? to_string(Outcome::kEquivalent) : "unchanged";
    result_.source = keep ? program->source() : device_.compile(optimized, run_options_)->source();
    result_.graph = std::move(optimized);
  }

  const Device& device_;
  const OptimizeOptions& options_;
  std::stop_token stop_;
  const OptimizeProgress& progress_;
  RunOptions run_options_;
  std::optional<FoundPrograms> found_;
  std::optional<CpuMachine> machine_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  OptimizeResult result_;
};

}  // namespace

OptimizeResult optimize(const Graph& graph, const Device& device, const OptimizeOptions& options,
                        std::stop_token stop, const OptimizeProgress& progress) {
  validate(graph);
  return Optimizer(device, options, std::move(stop), progress).run(graph);
}

}  // namespace lamina
