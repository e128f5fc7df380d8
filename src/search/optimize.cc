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
#include "search/class_search.h"
#include "search/found.h"
#include "search/judge.h"
#include "search/partition.h"
#include "search/race.h"
#include "search/region_search.h"

namespace lamina {
namespace {

using namespace search;

// Part of the key of every found recipe: raised when generated code changes its speed or meaning.
constexpr const char* kSearchVersion = "19";

// Equal subprograms of the model, searched once.
struct Group {
  Graph program;
  std::string hash;
  std::vector<Region> places;
};

class Optimizer {
 public:
  Optimizer(const Device& device, const OptimizeOptions& options, std::stop_token stop,
            const OptimizeProgress& progress)
      : device_(device), options_(options), stop_(std::move(stop)), progress_(progress) {
    context_.run = run_options_;
    const std::string dir =
        options.cache_dir.empty() ? cpu::default_cache_dir() : options.cache_dir;
    make_folder(dir);
    context_.reference_dir = dir + "/reference";
    context_.out_of_time = [this] { return out_of_time(); };
    if (!options.fresh) open_found(dir + "/found.sqlite");
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
    // A region that is the whole program was compared and raced as such.
    const bool same = !moved && groups.size() == 1 && groups[0].places.size() == 1 &&
                      groups[0].places[0].nodes == operator_nodes(prepared) &&
                      result_.regions.back().before_ms > 0.0;
    const bool changed = moved || !replacements.empty();
    finish(original, replace(prepared, replacements), changed, same);
    if (found_ && !found_->warning().empty()) result_.warnings.push_back(found_->warning());
    result_.search_s = elapsed_s();
    return std::move(result_);
  }

 private:
  void open_found(const std::string& path) {
    try {
      found_.emplace(path);
      context_.found = &*found_;
    } catch (const Error& error) {
      result_.warnings.push_back(std::string(error.what()) + "; found programs are not remembered");
    }
  }

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
    row.unsafe = found.statistics.unsafe;
    row.large = found.statistics.large;
    row.misfits = found.statistics.misfits;
    row.merged = found.statistics.merged;
    row.values = found.statistics.values;
    row.enumerate_s = found.seconds;
    row.from_cache = known.has_value();
    row.candidates = static_cast<int>(recipes.size());
    // Twice the cache that all cores share, or that a core has where there is none.
    context_.flush_bytes = 2 * std::max(machine().l3_bytes, machine().l2_bytes);
    RegionSearch search(context_, group.program, found_key(group));
    const Recipe chosen = search.choose(recipes, row);
    for (const std::string& warning : search.warnings()) result_.warnings.push_back(warning);
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
    return all_candidates(program, rates_of(machine(), threads()), limits);
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

  // `same`: what is optimised is one region, which was raced already.
  void finish(const Graph& prepared, Graph optimized, bool changed, bool same) {
    report("whole program", 1.0);
    bool keep = changed;
    if (same) {
      result_.before_ms = result_.regions.back().before_ms;
      result_.after_ms = result_.regions.back().after_ms;
      result_.spread = result_.regions.back().spread;
    } else if (keep) {
      keep = race_whole(prepared, optimized);
    } else {
      time_unfused(prepared);
    }
    if (!keep) optimized = prepared;
    for (const RegionReport& region : result_.regions) {
      if (!keep || !region.bits) continue;
      result_.bits = std::min(*region.bits, result_.bits.value_or(*region.bits));
    }
    result_.verdict = keep ? to_string(Outcome::kEquivalent) : "unchanged";
    result_.source = device_.compile(optimized, run_options_)->source();
    result_.graph = std::move(optimized);
  }

  // Whether the regions together are as right and as fast as each was alone.
  bool race_whole(const Graph& prepared, const Graph& optimized) {
    const Judge judge(prepared, choose_bindings(prepared, kLargestBinding), seed(),
                      context_.reference_dir);
    ColdProgram before(prepared, device_, run_options_, options_.rotate_bytes);
    ColdProgram after(optimized, device_, run_options_, options_.rotate_bytes);
    // Each region passed alone; together their errors may be larger.
    const double off = judge.deviation_from_reference(after.first());
    const bool wrong =
        is_too_far_off(off, off > 1.0 ? judge.deviation_from_reference(before.first()) : 0.0);
    for (const std::string& warning : judge.warnings()) result_.warnings.push_back(warning);
    std::vector<ColdProgram*> racers = {&before, &after};
    set_times(race(racers, judge.inputs(), kWholeRace));
    const bool faster = result_.after_ms <= result_.before_ms;
    if (wrong) {
      result_.refusal = fmt::format(
          "differs from the reference by {:.2f} times the tolerance, more than the unfused program",
          off);
    } else if (!faster) {
      result_.refusal = "slower as a whole";
    }
    if (wrong || !faster) result_.after_ms = result_.before_ms;
    return faster && !wrong;
  }

  void time_unfused(const Graph& prepared) {
    std::vector<std::vector<Tensor>> inputs;
    for (const Sizes& sizes : choose_bindings(prepared, kLargestBinding)) {
      inputs.push_back(random_inputs(prepared, sizes, seed()));
    }
    ColdProgram program(prepared, device_, run_options_, options_.rotate_bytes);
    std::vector<ColdProgram*> racers = {&program};
    set_times(race(racers, inputs, kWholeRace));
  }

  // Before of the first, after of the last program.
  void set_times(const std::vector<std::vector<Timing>>& times) {
    result_.before_ms = typical_ms(times.front());
    result_.after_ms = typical_ms(times.back());
    for (const Timing& timing : times.back()) {
      result_.spread = std::max(result_.spread, timing.spread);
    }
  }

  const Device& device_;
  const OptimizeOptions& options_;
  std::stop_token stop_;
  const OptimizeProgress& progress_;
  RunOptions run_options_ = race_options(options_);
  SearchContext context_{device_, options_, {}, "", 0, nullptr, {}};
  std::optional<FoundPrograms> found_;
  std::optional<CpuMachine> machine_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  OptimizeResult result_;
};

}  // namespace

OptimizeResult optimize(const Graph& graph, const Device& device, const OptimizeOptions& options,
                        std::stop_token stop, const OptimizeProgress& progress) {
  validate(graph);
  const Search search = [&](const Graph& part, const OptimizeProgress& told) {
    return Optimizer(device, options, stop, told).run(part);
  };
  OptimizeResult result = search(graph, progress);
  if (options.size_classes)
    search_classes(graph, {device, options, stop, search, progress}, result);
  return result;
}

}  // namespace lamina
