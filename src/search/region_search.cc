// Candidates are taken in batches: those of a batch are judged at the same time on all cores, then,
// while nothing else runs, screened against the best so far. So a run can end at any time with the
// best so far, few compiled programs are in memory, and what was judged is remembered as it
// happens.
#include "search/region_search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <future>
#include <numeric>
#include <set>

#include "base/check.h"
#include "base/thread_pool.h"
#include "search/race.h"
#include "search/recipe_text.h"

namespace lamina::search {
namespace {

constexpr double kWorthIt = 0.98;  // of the unfused time: smaller gains drown in a race's noise
constexpr std::size_t kFinalists = 2;

// Adds its lifetime to `seconds`, which several threads share.
class Stopwatch {
 public:
  Stopwatch(double& seconds, std::mutex& mutex) : seconds_(seconds), mutex_(mutex) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
    const std::lock_guard lock(mutex_);
    seconds_ += taken.count();
  }

 private:
  double& seconds_;
  std::mutex& mutex_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

bool has_weights(const Graph& graph) {
  return std::any_of(graph.inputs.begin(), graph.inputs.end(),
                     [](const Input& input) { return input.role == Role::kWeight; });
}

}  // namespace

double typical_ms(const std::vector<Timing>& times) {
  double log_sum = 0.0;
  for (const Timing& timing : times) log_sum += std::log(timing.median_ms);
  return std::exp(log_sum / static_cast<double>(times.size()));
}

RegionSearch::RegionSearch(const SearchContext& context, const Graph& program, std::string key)
    : context_(context),
      program_(program),
      key_(std::move(key)),
      judge_(program, choose_bindings(program, kLargestBinding),
             static_cast<std::uint64_t>(context.options.seed), context.reference_dir) {}

Recipe RegionSearch::choose(const std::vector<Recipe>& recipes, RegionReport& row) {
  row.verdict = "unchanged";
  if (recipes.empty() || (recipes.size() == 1 && recipes[0].parts.empty())) return {};
  candidates_ = recipes.size();
  const std::vector<Recipe> open = still_to_judge(recipes, row);
  const int refused_before = row.refused;
  const std::size_t batch = 2 * static_cast<std::size_t>(usable_cores());
  std::vector<Contender> best;
  for (std::size_t i = 0; i < open.size() && !context_.out_of_time(); i += batch) {
    const auto these = std::span(open).subspan(i, std::min(batch, open.size() - i));
    for (Contender& contender : admit_all(these, row)) best.push_back(std::move(contender));
    keep_best(best);
  }
  row.timed = row.judged - (row.refused - refused_before);
  const Recipe chosen = best.empty() ? Recipe{} : race_best(std::move(best), row);
  if (row.judged > 0) warnings_ = judge_.warnings();
  row.seconds = seconds_;
  return chosen;
}

// Without those that an interrupted run refused, or timed and left behind.
std::vector<Recipe> RegionSearch::still_to_judge(const std::vector<Recipe>& recipes,
                                                 RegionReport& row) const {
  std::map<std::string, Judged> known;
  if (context_.found != nullptr) known = context_.found->judged(key_);
  std::vector<double> times;
  for (const auto& [text, judged] : known) {
    if (judged.screened_ms > 0.0) times.push_back(judged.screened_ms);
  }
  std::sort(times.begin(), times.end());
  const double last = times.size() > kFinalists ? times[kFinalists - 1] : 0.0;
  std::vector<Recipe> open;
  std::set<std::string> texts;  // other recipes may give the same program
  for (const Recipe& recipe : recipes) {
    const auto graph = apply(program_, recipe);
    if (graph && !texts.insert(print_graph(*graph)).second) continue;
    const auto text = encode(recipe);
    const auto entry = text ? known.find(*text) : known.end();
    const bool done = entry != known.end() &&
                      (entry->second.refused || (last > 0.0 && entry->second.screened_ms > last));
    if (done) {
      ++row.resumed;
      row.refused += entry->second.refused ? 1 : 0;
    } else {
      open.push_back(recipe);
    }
  }
  return open;
}

// Proves and compares a candidate; nothing when it is refused.
std::optional<RegionSearch::Contender> RegionSearch::admit(const Recipe& recipe) {
  std::optional<Graph> graph = apply(program_, recipe);
  if (!graph) return std::nullopt;
  Verdict verdict;
  {
    const Stopwatch watch(seconds_.prove, mutex_);
    verdict = judge_.prove(recipe, candidates_);
    if (verdict.outcome != Outcome::kEquivalent || judge_.numeric_fault(recipe)) {
      return std::nullopt;
    }
  }
  std::unique_ptr<Program> compiled;
  {
    const Stopwatch watch(seconds_.compile, mutex_);
    compiled = context_.device.compile(*graph, context_.run);
  }
  // A part that the device hands to the interpreter is no candidate: it would be slow unseen.
  if (compiled->stats().fallbacks > 0) return std::nullopt;
  const Stopwatch watch(seconds_.compare, mutex_);
  if (judge_.deviation_from_reference(*compiled) > 1.0) return std::nullopt;
  return Contender{recipe, std::move(*graph), std::move(verdict), std::move(compiled)};
}

std::vector<RegionSearch::Contender> RegionSearch::admit_all(std::span<const Recipe> recipes,
                                                             RegionReport& row) {
  std::vector<std::future<std::optional<Contender>>> judged;
  for (const Recipe& recipe : recipes) {
    judged.push_back(std::async(std::launch::async, [this, &recipe] { return admit(recipe); }));
  }
  std::vector<Contender> admitted;
  for (std::size_t i = 0; i < judged.size(); ++i) {
    auto contender = judged[i].get();
    ++row.judged;
    row.refused += contender ? 0 : 1;
    note(recipes[i], {.refused = !contender});
    if (contender) admitted.push_back(std::move(*contender));
  }
  return admitted;
}

void RegionSearch::keep_best(std::vector<Contender>& contenders) {
  if (contenders.size() <= kFinalists) return;
  const Stopwatch watch(seconds_.screen, mutex_);
  std::vector<Program*> programs;
  for (const Contender& contender : contenders) programs.push_back(contender.program.get());
  const bool cold = has_weights(program_) && context_.options.rotate_bytes > 0;
  const std::vector<double> times =
      screen(programs, judge_.inputs(), cold ? context_.flush_bytes : 0);
  for (std::size_t i = 0; i < times.size(); ++i) {
    contenders[i].screened_ms = times[i];
    note(contenders[i].recipe, {.screened_ms = times[i]});
  }
  std::stable_sort(contenders.begin(), contenders.end(),
                   [](const auto& x, const auto& y) { return x.screened_ms < y.screened_ms; });
  contenders.resize(std::min(kFinalists, contenders.size()));
}

// The best against the unfused program, which is number 0, on weights in rotation.
Recipe RegionSearch::race_best(std::vector<Contender> best, RegionReport& row) {
  std::vector<Contender> all(1);
  all[0].graph = program_;
  for (Contender& contender : best) all.push_back(std::move(contender));
  std::vector<std::unique_ptr<ColdProgram>> programs;
  std::vector<ColdProgram*> racers;
  for (Contender& contender : all) {
    programs.push_back(std::make_unique<ColdProgram>(contender.graph, context_.device, context_.run,
                                                     context_.options.rotate_bytes,
                                                     std::move(contender.program)));
    racers.push_back(programs.back().get());
  }
  std::vector<std::vector<Timing>> timings;
  {
    const Stopwatch watch(seconds_.race, mutex_);
    timings = race(racers, judge_.inputs(), {.min_seconds = 0.3, .min_runs = 5});
  }
  std::vector<double> times;
  for (const auto& timing : timings) times.push_back(typical_ms(timing));
  const std::size_t winner = best_that_holds(all, times, row);
  row.before_ms = times[0];
  row.after_ms = times[winner];
  for (const Timing& timing : timings[winner]) row.spread = std::max(row.spread, timing.spread);
  if (winner == 0) return {};
  row.verdict = to_string(Outcome::kEquivalent);
  // The best of several candidates: any of them could have been accepted wrongly.
  const double bits = all[winner].proof.bits.value_or(0.0);
  const int tried = std::max(1, row.judged + row.resumed);
  row.bits = std::floor(10.0 * (bits - std::log2(tried))) / 10.0;
  row.proof = std::move(all[winner].proof);
  return all[winner].recipe;
}

// The quickest that is worth it and holds at full shape, else the unfused program.
std::size_t RegionSearch::best_that_holds(const std::vector<Contender>& all,
                                          const std::vector<double>& times, RegionReport& row) {
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto x, auto y) { return times[x] < times[y]; });
  const Stopwatch watch(seconds_.elements, mutex_);
  for (const std::size_t i : order) {
    if (i == 0 || times[i] > kWorthIt * times[0]) break;
    Verdict verdict = judge_.prove_elements(all[i].graph, all.size() - 1);
    // What agrees everywhere is proved on the small instance; here its bits are only recorded.
    const bool holds = verdict.outcome == Outcome::kEquivalent ||
                       verdict.outcome == Outcome::kUnsupported || verdict.short_of_bits;
    row.full_shape = std::move(verdict);
    if (holds) return i;
    ++row.refused;
    note(all[i].recipe, {.refused = true});
  }
  return 0;
}

void RegionSearch::note(const Recipe& recipe, const Judged& judged) const {
  if (context_.found != nullptr) context_.found->note(key_, recipe, judged);
}

}  // namespace lamina::search
