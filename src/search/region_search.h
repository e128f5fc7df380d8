// From the candidates of one subprogram to the one that is used: judge, screen, race.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lamina/bench.h"
#include "lamina/device.h"
#include "lamina/optimize.h"
#include "search/candidates.h"
#include "search/found.h"
#include "search/judge.h"

namespace lamina::search {

// What all subprograms of a run share.
struct SearchContext {
  const Device& device;
  const OptimizeOptions& options;
  RunOptions run;
  std::string reference_dir;          // of reference outputs; "": they are not kept
  std::int64_t flush_bytes = 0;       // that drive weights out of the caches
  FoundPrograms* found = nullptr;     // null: nothing is remembered
  std::function<bool()> out_of_time;  // true when no further candidate should be tried
};

// Geometric mean over the bindings of the medians.
double typical_ms(const std::vector<Timing>& times);

class RegionSearch {
 public:
  // `program` with all weights filled; `key` of what is remembered about it. Both must outlive
  // this.
  RegionSearch(const SearchContext& context, const Graph& program, std::string key);

  // The best recipe, proved, compared and raced; the empty one when the unfused program is better.
  // Fills the report but for what generating the candidates tells.
  Recipe choose(const std::vector<Recipe>& recipes, RegionReport& row);

  // Of files that could not be used.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  // An accepted way to run the subprogram; the unfused program has the empty recipe.
  struct Contender {
    Recipe recipe;
    Graph graph;
    Verdict proof;  // of this candidate alone
    std::unique_ptr<Program> program;
    double screened_ms = 0.0;
  };

  std::vector<Recipe> still_to_judge(const std::vector<Recipe>& recipes, RegionReport& row) const;
  std::optional<Contender> admit(const Recipe& recipe);
  std::vector<Contender> admit_all(std::span<const Recipe> recipes, RegionReport& row);
  void keep_best(std::vector<Contender>& contenders);
  Recipe race_best(std::vector<Contender> best, RegionReport& row);
  std::size_t best_that_holds(const std::vector<Contender>& all, const std::vector<double>& times,
                              RegionReport& row);
  void note(const Recipe& recipe, const Judged& judged) const;

  const SearchContext& context_;
  const Graph& program_;
  std::string key_;
  Judge judge_;
  std::size_t candidates_ = 0;
  std::mutex mutex_;
  SearchSeconds seconds_;
  std::vector<std::string> warnings_;
};

}  // namespace lamina::search
