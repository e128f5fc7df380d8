// Walking through all cells, or through those of random points.
#include "verify/cell_level.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <set>

#include "base/check.h"
#include "lamina/error.h"
#include "verify/prime_supply.h"
#include "verify/primes.h"
#include "verify/proved_bits.h"

namespace lamina {
namespace {

using Comparison = CellRun::Comparison;

constexpr std::int64_t kMostCells = 4096;
constexpr std::int64_t kMostRuns = 3 * kMostCells;
constexpr std::size_t kMostOpen = 12;
constexpr std::size_t kMostValues = std::size_t{1} << 22;  // computed for all cells in one pass
constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();
constexpr int kFewestPasses = 2;
constexpr int kSeenByDefault = 8;

struct Cell {
  std::size_t region = 0;
  CellPath path;
  std::vector<Interval> ranges;
  bool at_a_point = false;
  std::vector<bool> undefined;  // by output element
  Account account{kOtherLevel};
  PassError error;
};

// The fraction with a small denominator that a bound of a range stands for.
std::optional<LinearForm> exact(double x) {
  constexpr std::int64_t kMostParts = 1000;
  constexpr double kLargest = 1e12;
  if (!(std::fabs(x) < kLargest)) return std::nullopt;
  for (std::int64_t d = 1; d <= kMostParts; ++d) {
    const double n = std::nearbyint(x * static_cast<double>(d));
    if (n / static_cast<double>(d) != x) continue;
    return LinearForm{{}, static_cast<std::int64_t>(n), d};
  }
  return std::nullopt;
}

// An identity is claimed for the interior of the ranges.
std::vector<Inequality> facts_of_inputs(const CellProblem& problem) {
  std::vector<Inequality> given;
  const auto plans = problem.element_plans();
  for (std::uint32_t e = 0; e < plans.size(); ++e) {
    const LinearForm x = LinearForm::atom(e);
    if (const auto low = exact(plans[e]->facts.low)) given.push_back({*sum(x, -*low), true});
    if (const auto high = exact(plans[e]->facts.high)) given.push_back({*sum(-x, *high), true});
  }
  return given;
}

std::vector<Interval> ranges_of_inputs(const CellProblem& problem) {
  std::vector<Interval> ranges;
  for (const InputPlan* plan : problem.element_plans()) {
    ranges.push_back({plan->facts.low, plan->facts.high});
  }
  return ranges;
}

// A region of less dimensions may lie where neither graph is defined: it is not claimed then.
bool agree(const CellRun& run, const CellRegion& region) {
  return std::all_of(run.comparisons().begin(), run.comparisons().end(), [&](Comparison each) {
    return each == Comparison::kAgree || (each == Comparison::kUndefined && !region.bound.empty());
  });
}

bool has(const CellRun& run, Comparison comparison) {
  return std::find(run.comparisons().begin(), run.comparisons().end(), comparison) !=
         run.comparisons().end();
}

// How many decisions of the path may go several ways.
std::size_t open_decisions(const CellPath& path) {
  return static_cast<std::size_t>(
      std::count_if(path.begin(), path.end(), [](const Decision& decision) {
        return decision.feasible.has(-1) && decision.feasible.has(1);
      }));
}

// The path after this one in the order in which all are walked through.
bool advance(CellPath& path) {
  while (!path.empty()) {
    const SignSet next = next_outcome(path.back());
    if (!next.empty()) {
      path.back().outcome = next;
      return true;
    }
    path.pop_back();
  }
  return false;
}

// `region` where the form, a linear form of input elements, is 0: one element follows from the
// others. Elements that are declared positive are kept free where that can be.
CellRegion on_hyperplane(CellRegion region, const LinearForm& form, const CellProblem& problem) {
  const auto plans = problem.element_plans();
  auto chosen = form.terms[0];
  for (const auto& term : form.terms) {
    if (!plans[term.first]->positive()) chosen = term;
  }
  LinearForm rest = form;
  std::erase(rest.terms, chosen);
  const auto value = quotient(rest, LinearForm::integer(-chosen.second));
  check(value.has_value(), "coefficients of a primitive form fit");
  region.given.push_back({form, false});
  region.given.push_back({-form, false});
  for (auto& [element, bound] : region.bound) {
    const auto at = std::find_if(bound.terms.begin(), bound.terms.end(),
                                 [&](const auto& term) { return term.first == chosen.first; });
    if (at == bound.terms.end()) continue;
    const LinearForm times{{}, at->second, bound.denominator};
    bound.terms.erase(at);
    const auto part = product(*value, times);
    const auto whole = part ? sum(bound, *part) : std::nullopt;
    if (!whole) fail(ErrorCode::kUnsupported, "the coefficients of a comparison are too large");
    bound = *whole;
  }
  region.bound.emplace(chosen.first, *value);
  return region;
}

class CellLevel {
 public:
  CellLevel(const CellProblem& problem, const VerifyOptions& options)
      : problem_(problem), options_(options), ranges_(ranges_of_inputs(problem)) {}

  CellSummary run() {
    passes_.push_back(draw_pass(0));
    CellSummary all = attempt([this] { return walk_all(); });
    if (all.agree || all.point) return all;
    cells_.clear();
    regions_.clear();
    CellSummary seen = attempt([this] { return look_at_points(); });
    if (seen.agree) seen.reason = all.reason;
    if (!seen.agree && !seen.point) seen.reason = all.reason;
    return seen;
  }

 private:
  template <class Walk>
  CellSummary attempt(Walk walk) {
    summary_ = {};
    try {
      if (walk()) prove();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;
      summary_.agree = false;
      summary_.reason = error.what();
    }
    summary_.cells = static_cast<std::int64_t>(cells_.size());
    return summary_;
  }

  CellPass draw_pass(int number) {
    CellPass pass;
    pass.seed = SecretRandom::system_seed();
    if (options_.primes) {
      pass.pairs = options_.primes->get(problem_.profile, number).pairs;
      return pass;
    }
    SecretRandom random(SecretRandom::system_seed());
    for (PrimePair& pair : pass.pairs) pair = draw_pair(problem_.profile, random);
    return pass;
  }

  bool enough_primes(std::size_t pass) const {
    const PrimeProfile& profile = problem_.profile;
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::int64_t candidates =
          options_.primes ? options_.primes->get(profile, static_cast<int>(pass)).candidates[i]
                          : count_candidates(profile, passes_[pass].pairs[i]);
      if (candidates < profile.least_candidates) return false;
    }
    return true;
  }

  // All cells in one pass; false when that is settled or given up.
  bool walk_all() {
    summary_.exhaustive = true;
    regions_.push_back({facts_of_inputs(problem_), {}});
    std::int64_t runs = 0;
    for (std::size_t r = 0; r < regions_.size(); ++r) {
      if (solve(regions_[r].given).infeasible) continue;
      CellPath path;
      do {
        if (++runs > kMostRuns || static_cast<std::int64_t>(cells_.size()) == kMostCells) {
          return give_up("there are too many cells");
        }
        if (!visit(r, path)) return false;
      } while (advance(path));
    }
    return true;
  }

  // Counts the values of a run towards what all cells may take.
  bool affordable(const CellRun& run) {
    values_ += run.algebra().values();
    return values_ <= kMostValues;
  }

  // Follows the path; leaves in it what was decided.
  bool visit(std::size_t region, CellPath& path) {
    const CellRegion here = regions_[region];
    while (true) {
      const CellRun run(problem_, passes_[0], {here, path, ranges_});
      const CellAlgebra& algebra = run.algebra();
      path = algebra.path();
      if (!affordable(run)) return give_up("all cells would take too long");
      if (open_decisions(path) > kMostOpen) return give_up("there are too many branches");
      const std::size_t infeasible = algebra.infeasible().value_or(kNever);
      const std::size_t split =
          algebra.to_split().value_or(agree(run, here) ? kNever : first_unsplit(path));
      const std::size_t tie = algebra.tie() ? algebra.tie()->decision : kNever;
      const std::size_t first = std::min({infeasible, split, tie});
      if (first == kNever) return book(region, path, run);
      path.resize(first + (infeasible == first ? 0 : 1));
      if (infeasible == first) return true;
      if (tie == first) {
        CellRegion part = here;
        part.given = algebra.inequalities(first);
        regions_.push_back(on_hyperplane(std::move(part), algebra.tie()->form, problem_));
        return true;
      }
      path.back().split = true;
      path.back().outcome = first_outcome(path.back().feasible, true);
    }
  }

  // The points where a predicate is 0 may be all that keeps a cell from being empty.
  static std::size_t first_unsplit(const CellPath& path) {
    const auto found = std::find_if(path.begin(), path.end(), [](const Decision& decision) {
      return !decision.outcome.single();
    });
    return found == path.end() ? kNever : static_cast<std::size_t>(found - path.begin());
  }

  bool book(std::size_t region, const CellPath& path, const CellRun& run) {
    summary_.elements = static_cast<std::int64_t>(run.comparisons().size());
    if (!agree(run, regions_[region])) {
      if (without_points(region, path)) return true;
      const Feasibility found = solve(run.algebra().inequalities(path.size()));
      return disagree(run, found.point);
    }
    add_cell({.region = region, .path = path, .ranges = ranges_}, run);
    return true;
  }

  void add_cell(Cell cell, const CellRun& run) {
    cell.error.each = run.error();
    cell.error.once = -std::numeric_limits<double>::infinity();
    cell.account.resize(run.comparisons().size());
    for (const Comparison each : run.comparisons()) {
      cell.undefined.push_back(each == Comparison::kUndefined);
    }
    count(cell, run);
    cells_.push_back(std::move(cell));
  }

  // What was undefined in the first pass has to be so again.
  void count(Cell& cell, const CellRun& run) const {
    for (std::size_t i = 0; i < run.comparisons().size(); ++i) {
      const bool both = run.comparisons()[i] == Comparison::kUndefined;
      if (both == cell.undefined[i]) {
        cell.account.agree(i);
      } else {
        cell.account.undefined(i);
      }
    }
  }

  bool disagree(const CellRun& run, const std::optional<std::map<std::uint32_t, double>>& values) {
    const bool differs = has(run, Comparison::kDiffer);
    if (differs && values) summary_.point = point_of(*values);
    return give_up(differs ? "the graphs differ formally on a cell that may have no points"
                   : has(run, Comparison::kOneSided)
                       ? "an output element is defined in one graph only on a cell"
                       : "an output element is undefined on a cell");
  }

  // Elements that no inequality bounds are anywhere in their ranges.
  RealPoint point_of(const std::map<std::uint32_t, double>& values) const {
    SecretRandom random(SecretRandom::system_seed());
    RealPoint point = draw_reals(problem_.plans, 0, random);
    std::uint32_t element = 0;
    for (Array<Interval>& input : point) {
      for (Interval& x : input.real) {
        const auto found = values.find(element++);
        if (found != values.end()) x = {found->second, found->second};
      }
    }
    return point;
  }

  bool give_up(std::string reason) {
    summary_.agree = false;
    summary_.exhaustive = false;
    summary_.reason = std::move(reason);
    return false;
  }

  // Whether interval arithmetic shows that no point takes this path: the ranges of the inputs are
  // halved until it does.
  bool without_points(std::size_t region, const CellPath& path) {
    constexpr int kMostBoxes = 200;
    constexpr std::size_t kMostElements = 8;
    if (ranges_.size() > kMostElements) return false;
    std::deque<std::vector<Interval>> boxes = {ranges_};
    for (int i = 0; i < kMostBoxes && !boxes.empty(); ++i) {
      std::vector<Interval> box = boxes.front();
      boxes.pop_front();
      const CellRun run(problem_, passes_[0], {regions_[region], path, box});
      if (!affordable(run)) return false;
      if (run.algebra().infeasible()) continue;
      if (!halve(box, boxes)) return false;
    }
    return boxes.empty();
  }

  // Both halves across the widest side, by the measure x / (1 + |x|), which is finite.
  static bool halve(const std::vector<Interval>& box, std::deque<std::vector<Interval>>& boxes) {
    const auto shrunk = [](double x) {
      return std::isinf(x) ? std::copysign(1.0, x) : x / (1.0 + std::fabs(x));
    };
    std::size_t widest = 0;
    double width = 0.0;
    for (std::size_t e = 0; e < box.size(); ++e) {
      const double w = shrunk(box[e].high) - shrunk(box[e].low);
      if (w > width) {
        width = w;
        widest = e;
      }
    }
    if (width < 1e-6) return false;
    const double at = 0.5 * (shrunk(box[widest].low) + shrunk(box[widest].high));
    const double middle = at / (1.0 - std::fabs(at));
    boxes.push_back(box);
    boxes.back()[widest].high = middle;
    boxes.push_back(box);
    boxes.back()[widest].low = middle;
    return true;
  }

  // The cells of random points.
  bool look_at_points() {
    regions_.push_back({});
    const int wanted = options_.cells > 0 ? options_.cells : kSeenByDefault;
    std::set<std::vector<bool>> seen;
    SecretRandom random(SecretRandom::system_seed());
    for (int i = 0; i < 4 * wanted + 16 && std::ssize(seen) < wanted; ++i) {
      constexpr int kDistributions[] = {4, 0, 3, 1};
      std::vector<Interval> point;
      for (const auto& input : draw_reals(problem_.plans, kDistributions[i % 4], random)) {
        point.insert(point.end(), input.real.begin(), input.real.end());
      }
      const CellRun run(problem_, passes_[0], {regions_[0], {}, point, true});
      summary_.elements = static_cast<std::int64_t>(run.comparisons().size());
      if (run.algebra().undecided()) continue;
      std::vector<bool> signs;
      for (const Decision& decision : run.algebra().path()) {
        signs.push_back(decision.outcome.has(1));
      }
      if (!seen.insert(std::move(signs)).second) continue;
      if (!agree(run, regions_[0])) {
        std::map<std::uint32_t, double> values;
        for (std::uint32_t e = 0; e < point.size(); ++e) values[e] = point[e].low;
        return disagree(run, values);
      }
      add_cell({.path = run.algebra().path(), .ranges = std::move(point), .at_a_point = true}, run);
    }
    return !cells_.empty() || give_up("no point decides all comparisons");
  }

  // More passes until the bits asked for are proved on each cell.
  void prove() {
    summary_.agree = true;
    summary_.passes = 1;
    if (options_.bits <= 0.0) return;
    note_void(0);
    while (summary_.passes < std::max(kFewestPasses, options_.most_passes)) {
      if (summary_.passes >= kFewestPasses && least_bits() >= options_.bits) break;
      passes_.resize(static_cast<std::size_t>(summary_.passes));
      passes_.push_back(draw_pass(summary_.passes));
      for (Cell& cell : cells_) {
        if (!again(cell)) {
          give_up("a cell is not the same in all passes");
          return;
        }
      }
      note_void(static_cast<std::size_t>(summary_.passes));
      ++summary_.passes;
    }
    summary_.bits = least_bits();
    if (summary_.bits >= options_.bits) return;
    give_up(fmt::format("the agreement on {} cells proves {:.1f} of {:.1f} bits", cells_.size(),
                        summary_.bits, options_.bits));
  }

  void note_void(std::size_t pass) {
    if (enough_primes(pass)) return;
    for (Cell& cell : cells_) cell.account.void_pass();
  }

  bool again(Cell& cell) {
    const CellRun run(problem_, passes_.back(),
                      {regions_[cell.region], cell.path, cell.ranges, cell.at_a_point});
    const CellAlgebra& algebra = run.algebra();
    const bool same = algebra.in_step() && !algebra.infeasible() && !algebra.to_split() &&
                      !algebra.tie() && algebra.path() == cell.path;
    if (!same) return false;
    cell.error.each = std::max(cell.error.each, run.error());
    count(cell, run);
    return !has(run, Comparison::kDiffer);
  }

  // One bit pays for cells that were mistaken for others in all passes.
  double least_bits() const {
    double least = std::numeric_limits<double>::infinity();
    for (const Cell& cell : cells_) least = std::min(least, cell.account.bits(cell.error));
    return std::max(0.0, (cells_.empty() ? 0.0 : least) - 1.0);
  }

  const CellProblem& problem_;
  const VerifyOptions& options_;
  std::vector<Interval> ranges_;
  std::vector<CellPass> passes_;
  std::vector<CellRegion> regions_;
  std::vector<Cell> cells_;
  CellSummary summary_;
  std::size_t values_ = 0;
};

// Integers are concrete: the same in all passes.
void fix_integers(std::vector<InputPlan>& plans) {
  SecretRandom random(SecretRandom::system_seed());
  std::vector<Array<Interval>> drawn = draw_reals(plans, 0, random);
  for (std::size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].real || !plans[i].fixed.empty()) continue;
    plans[i].fixed = Tensor::from_integers(plans[i].type.dtype, plans[i].shape, drawn[i].whole);
  }
}

}  // namespace

CellSummary look_at_cells(const Graph& a, const Graph& b, std::vector<InputPlan> plans,
                          const Sizes& sizes, const VerifyOptions& options) {
  fix_integers(plans);
  const PrimeProfile profile = prime_profile(uses_angles(a, b));
  const CellProblem problem{a, b, plans, sizes, profile};
  return CellLevel(problem, options).run();
}

}  // namespace lamina
