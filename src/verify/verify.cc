// The verdict of the identity tester (docs/design/verify.md, "Verdicts").
#include "lamina/verify.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/check.h"
#include "graph/op_def.h"
#include "verify/branches.h"
#include "verify/cell_level.h"
#include "verify/digest.h"
#include "verify/domains.h"
#include "verify/elements.h"
#include "verify/evaluate.h"
#include "verify/exact_proof.h"
#include "verify/inputs.h"
#include "verify/pass.h"
#include "verify/prime_supply.h"
#include "verify/primes.h"
#include "verify/proved_bits.h"
#include "verify/root_level.h"
#include "verify/shrink.h"
#include "verify/signature.h"
#include "verify/tower_level.h"
#include "verify/witness.h"

namespace lamina {
namespace {

// Small integers make the most readable witness, so they come first.
const std::vector<int> kAll = {2, 0, 1, 3, 4, 2, 0};
// Distributions to draw from when graphs seem to differ: more points where they cost little.
std::vector<int> points_for(const Graph& a, const Graph& b, const std::vector<InputPlan>& plans) {
  constexpr std::int64_t kFewElements = 1 << 12;
  auto elements = static_cast<std::int64_t>(a.nodes.size() + b.nodes.size());
  for (const InputPlan& plan : plans) elements += element_count(plan.shape);
  std::vector<int> points = kAll;
  for (int i = 0; i < 4 && elements <= kFewElements; ++i) {
    points.insert(points.end(), kAll.begin(), kAll.end());
  }
  return points;
}

constexpr int kHopelessPasses = 3;  // when no theorem proves anything

// Where two evaluations differ.
struct Mismatch {
  std::string output;
  std::int64_t element = 0;
  bool infinite = false;  // one of the values is an infinity
};

// Compares the values of a pass and books every element; the first mismatch, if there is one.
std::optional<Mismatch> compare(const Pass& pass, const std::vector<std::string>& names,
                                Account& account) {
  const FormalValues& a = pass.a();
  const FormalValues& b = pass.b();
  const FormalDomain domain(pass.field());
  check(a.size() == b.size(), "{} and {} values to compare", a.size(), b.size());
  std::size_t elements = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    require(a[k].shape == b[k].shape, "'{}' has the shapes {} and {}", names[k],
            to_string(a[k].shape), to_string(b[k].shape));
    elements += static_cast<std::size_t>(a[k].size());
  }
  account.resize(elements);
  std::size_t element = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    for (std::int64_t i = 0; i < a[k].size(); ++i, ++element) {
      const Formal x = real_at(domain, a[k], i);
      const Formal y = real_at(domain, b[k], i);
      if (x.state == Formal::State::kPoison || y.state == Formal::State::kPoison) {
        account.undefined(element);
      } else if (x.agrees(y)) {
        account.agree(element);
      } else {
        return Mismatch{names[k], i, !x.finite() || !y.finite()};
      }
    }
  }
  return std::nullopt;
}

class Verification {
 public:
  Verification(const Graph& a, const Graph& b, const VerifyOptions& options)
      : a_(a), b_(b), options_(options), names_(value_names(a)) {}

  // `only_cells`: why nothing else can be done, or empty.
  Verdict run(std::string only_cells = {}) {
    only_cells_ = std::move(only_cells);
    const bool sized = !a_.sizes.empty() || !b_.sizes.empty();
    std::set<Sizes> tried;
    for (int k = 0; k < (sized ? options_.size_bindings : 1); ++k) {
      const Sizes sizes = choose_sizes(a_, b_, k);
      if (!tried.insert(sizes).second) continue;
      if (!binding(sizes)) return std::move(verdict_);
    }
    accept();
    return std::move(verdict_);
  }

 private:
  // All passes with one binding; false when the verdict is settled.
  bool binding(const Sizes& sizes) {
    std::vector<InputPlan> plans = plan_inputs(a_, b_, sizes);
    add_facts(plans);
    if (verdict_.shapes.empty()) describe(plans);
    if (!only_cells_.empty()) return agree_by_cells(only_cells_, plans, sizes);
    const PrimeProfile profile = prime_profile(uses_angles(a_, b_));
    integers_drawn_ = std::any_of(plans.begin(), plans.end(), [](const InputPlan& plan) {
      return !plan.real && plan.fixed.empty() && element_count(plan.shape) > 0;
    });
    Account account{kFirstLevel};
    PassError error;
    double bits = 0.0;
    for (int p = 0; p < options_.most_passes; ++p) {
      const PrimeSupply::Set* shared =
          options_.primes ? &options_.primes->get(profile, p) : nullptr;
      const Pass::Setting setting{profile, plans, sizes,
                                  shared != nullptr ? &shared->pairs : nullptr};
      Pass pass(a_, b_, setting);
      ++verdict_.passes;
      verdict_.digests.push_back({digest(pass.a()), digest(pass.b())});
      std::vector<FieldTuple> tuples = pass.tuples(verdict_.passes);
      count_fresh(pass.field());
      const auto mismatch = compare(pass, names_, account);
      if (!mismatch && options_.bits > 0.0) count_primes(profile, shared, tuples, account);
      verdict_.tuples.insert(verdict_.tuples.end(), tuples.begin(), tuples.end());
      if (mismatch) return second_level(*mismatch, plans, sizes, profile);
      if (options_.bits <= 0.0) break;
      if (p == 0) {
        error = pass_error(a_, b_, setting, pass, options_.bits);
        if (verdict_.bounds.empty()) verdict_.bounds = error.outputs;
      } else if (integers_drawn_) {
        error = worse(error, pass_error(a_, b_, setting, pass, options_.bits));
      }
      bits = account.bits(error);
      const bool hopeless = std::min(error.each, error.by_t1) > -1.0 && p + 1 >= kHopelessPasses;
      if (bits >= options_.bits || hopeless) break;
    }
    if (bits < options_.bits && !verdict_.abstracted.empty()) {
      const auto roots = compare_roots(a_, b_, {plans, sizes, profile, options_});
      if (roots && roots->proved && roots->bits > bits) return adopt(*roots, plans, sizes);
    }
    if (options_.bits > 0.0) verdict_.bits = std::min(bits, verdict_.bits.value_or(bits));
    verdict_.compared += account.count(true);
    verdict_.uncompared += account.count(false);
    // A proof is worth its time where the bits are; it speaks about these sizes only.
    verdict_.proved = options_.bits > 0.0 && verdict_.branches == 0 && a_.sizes.empty() &&
                      b_.sizes.empty() && account.count(false) == 0 &&
                      equal_normal_forms(a_, b_, plans, sizes);
    // A formal identity may hold where a branch makes both sides of a division vanish; real points
    // show that (docs/design/verify.md, "Definedness").
    if (verdict_.branches == 0 || account.count(false) > 0) return true;
    const WitnessSearch search =
        find_witness({a_, b_, plans, sizes, options_}, gentle_points(verdict_.branches));
    if (search.witness) return settle_witness(search), false;
    if (search.one_sided.empty()) return true;
    return inconclusive(search.one_sided + " at a real point"), false;
  }

  // The number of primes p that were possible is part of the bounds.
  static void count_primes(const PrimeProfile& profile, const PrimeSupply::Set* shared,
                           std::vector<FieldTuple>& tuples, Account& account) {
    bool enough = true;
    for (std::size_t i = 0; i < tuples.size(); ++i) {
      FieldTuple& tuple = tuples[i];
      tuple.candidates = shared != nullptr
                             ? shared->candidates[i]
                             : count_candidates(profile, {.p = tuple.p, .q = tuple.q});
      enough = enough && tuple.candidates >= profile.least_candidates;
    }
    if (!enough) account.void_pass();
  }

  void count_fresh(const ResidueField& field) {
    const auto fresh = field.fresh_counts();
    for (const auto& [function, count] : fresh) {
      std::int64_t& most = verdict_.abstracted[function];
      most = std::max(most, static_cast<std::int64_t>(count));
    }
    verdict_.branches = std::max(verdict_.branches, count_branches(fresh));
  }

  // What one pass could not show with free variables; false when the verdict is settled.
  bool second_level(const Mismatch& mismatch, const std::vector<InputPlan>& plans,
                    const Sizes& sizes, const PrimeProfile& profile) {
    reject(mismatch, plans, sizes);
    if (verdict_.outcome != Outcome::kInconclusive) return false;
    if (verdict_.branches > 0 && agree_by_cells(verdict_.reason, plans, sizes)) return true;
    return verdict_.outcome == Outcome::kInconclusive && agree_by_symbols(plans, sizes, profile);
  }

  // With the outcomes of branches known; `why` is what free variables left open.
  bool agree_by_cells(const std::string& why, const std::vector<InputPlan>& plans,
                      const Sizes& sizes) {
    const CellSummary cells = look_at_cells(a_, b_, plans, sizes, options_);
    if (cells.point) {
      const WitnessSearch search = witness_at({a_, b_, plans, sizes, options_}, *cells.point);
      if (search.witness) return settle_witness(search), false;
    }
    verdict_.cells = cells.cells;
    if (!cells.agree) {
      inconclusive(why + "; " + cells.reason);
      return false;
    }
    if (options_.bits > 0.0) verdict_.bits = std::min(cells.bits, verdict_.bits.value_or(1e3));
    only_seen_cells_ = only_seen_cells_ || !cells.exhaustive;
    verdict_.all_cells = !only_seen_cells_;
    if (!cells.exhaustive && (options_.cells == 0 || cells.cells < options_.cells)) {
      inconclusive(fmt::format("equivalent on all {} cells seen, and there are others: {}",
                               cells.cells, cells.reason));
      return false;
    }
    verdict_.compared += cells.elements;
    return true;
  }

  bool agree_by_symbols(const std::vector<InputPlan>& plans, const Sizes& sizes,
                        const PrimeProfile& profile) {
    const LevelSetting setting{plans, sizes, profile, options_};
    const auto abstracted = [&](const char* name) { return verdict_.abstracted.contains(name); };
    if (abstracted("exp") || abstracted("sin") || abstracted("cos")) {
      if (const auto tower = compare_towers(a_, b_, setting)) return adopt(*tower, plans, sizes);
    }
    const auto roots = compare_roots(a_, b_, setting);
    if (roots && roots->proved) return adopt(*roots, plans, sizes);
    if (roots) conjecture(*roots);
    return false;
  }

  void reject(const Mismatch& mismatch, const std::vector<InputPlan>& plans, const Sizes& sizes) {
    const WitnessSearch search =
        find_witness({a_, b_, plans, sizes, options_}, points_for(a_, b_, plans));
    if (search.witness) {
      settle_witness(search);
      return;
    }
    const std::string where = fmt::format("element {} of '{}'", mismatch.element, mismatch.output);
    const bool in_fragment = verdict_.abstracted.empty() && !mismatch.infinite;
    if (in_fragment) {
      verdict_.outcome = Outcome::kDifferent;
      verdict_.reason = where +
                        " differs in a prime field, which proves that the graphs differ; no "
                        "real point tried shows a difference";
      note_close(search);
      return;
    }
    inconclusive(where +
                 " differs in a prime field, but the graphs leave the decidable fragment (" +
                 abstracted_names() + ") and no real point tried shows a difference" +
                 (search.failure.empty() ? "" : " (" + search.failure + ")"));
  }

  // What a second level has proved. Its passes are its own: a replay does not know them.
  bool adopt(const LevelResult& level, const std::vector<InputPlan>& plans, const Sizes& sizes) {
    // Values with roots may be defined on one side only; small points without integers show it.
    std::vector<int> points(32, 3);
    std::fill_n(points.begin(), points.size() / 2, 0);
    const WitnessSearch search = find_witness({a_, b_, plans, sizes, options_}, points);
    if (search.witness) return settle_witness(search), false;
    if (!search.one_sided.empty())
      return inconclusive(search.one_sided + " at a real point"), false;
    verdict_.level = level.how;
    verdict_.cells = 0;
    verdict_.passes = static_cast<int>(level.tuples.size() / kLanes);
    verdict_.tuples = level.tuples;
    verdict_.digests.clear();
    verdict_.bounds.clear();
    verdict_.compared += level.elements;
    if (options_.bits > 0.0) {
      verdict_.bits = std::min(level.bits, verdict_.bits.value_or(level.bits));
    }
    return true;
  }

  void conjecture(const LevelResult& level) {
    verdict_.conjectural_tuples = static_cast<int>(level.tuples.size());
    verdict_.reason += fmt::format(
        "; conjectural: the values agree for some choice of the signs of roots in all {} tuples",
        level.tuples.size());
  }

  std::string abstracted_names() const {
    std::string names;
    for (const auto& [name, count] : verdict_.abstracted) {
      names += (names.empty() ? "" : ", ") + name;
    }
    return names.empty() ? "infinities" : names;
  }

  void settle_witness(const WitnessSearch& search) {
    verdict_.outcome = Outcome::kDifferent;
    verdict_.witness = search.witness;
    note_close(search);
    const int digits = verdict_.close ? 17 : 6;
    verdict_.reason =
        fmt::format("element {} of '{}' is {:.{}g} in the first graph and {:.{}g} in the second",
                    search.witness->element, search.witness->output, search.witness->a, digits,
                    search.witness->b, digits);
  }

  void note_close(const WitnessSearch& search) {
    const bool close = search.points > 0 && search.unbounded == 0 && search.most_distance <= kClose;
    if (close) verdict_.close = search.most_distance;
  }

  void inconclusive(std::string reason) {
    verdict_.outcome = Outcome::kInconclusive;
    verdict_.reason = std::move(reason);
  }

  void accept() {
    const std::string passes =
        verdict_.passes == 1 ? "one pass" : fmt::format("{} passes", verdict_.passes);
    if (verdict_.uncompared > 0) {
      inconclusive(fmt::format("{} of {} output elements were undefined in every pass",
                               verdict_.uncompared, verdict_.compared + verdict_.uncompared));
      return;
    }
    if (!verdict_.proved && verdict_.bits && *verdict_.bits < options_.bits) {
      verdict_.short_of_bits = true;
      inconclusive(
          fmt::format("all {} output elements agree in {}, which proves {:.1f} of {:.1f} bits",
                      verdict_.compared, passes, *verdict_.bits, options_.bits));
      return;
    }
    verdict_.outcome = Outcome::kEquivalent;
    verdict_.reason = fmt::format(
        "all {} output elements {}agree in {}", verdict_.compared,
        verdict_.proved ? "have one exact normal form in both graphs and " : "", passes);
    if (verdict_.cells > 0) {
      verdict_.reason =
          fmt::format("all {} output elements agree on {} {} cells", verdict_.compared,
                      only_seen_cells_ ? "the" : "all", verdict_.cells);
    }
    if (!verdict_.level.empty()) verdict_.reason += " " + verdict_.level;
    if (!verdict_.bits) return;
    verdict_.reason += fmt::format(": {:.1f} bits are proved", *verdict_.bits);
    if (integers_drawn_) verdict_.reason += " for the integers that were drawn";
  }

  void add_facts(std::vector<InputPlan>& plans) const {
    for (std::size_t i = 0; i < plans.size(); ++i) {
      const auto known = options_.facts.find(input_name(i));
      if (known != options_.facts.end()) plans[i].facts = known->second;
    }
  }

  const std::string& input_name(std::size_t i) const {
    return a_.nodes[static_cast<std::size_t>(a_.inputs[i].node)].name;
  }

  void describe(const std::vector<InputPlan>& plans) {
    for (std::size_t i = 0; i < plans.size(); ++i) {
      verdict_.shapes.push_back(fmt::format(
          "{} {}{}", input_name(i), traits(plans[i].type.dtype).name, to_string(plans[i].shape)));
    }
  }

  const Graph& a_;
  const Graph& b_;
  const VerifyOptions& options_;
  std::vector<std::string> names_;
  bool integers_drawn_ = false;  // the graphs depend on them, and so do the bounds
  std::string only_cells_;
  bool only_seen_cells_ = false;
  Verdict verdict_;
};

Verdict unsupported(const Graph& a, const Graph& b, std::string reason) {
  Verdict verdict;
  verdict.outcome = Outcome::kUnsupported;
  std::set<std::string> names;
  for (const Graph* graph : {&a, &b}) {
    for (std::string& name : operators_without_field_meaning(*graph)) names.insert(std::move(name));
  }
  verdict.unsupported.assign(names.begin(), names.end());
  for (const std::string& name : verdict.unsupported) reason += " [" + name + "]";
  verdict.reason = std::move(reason);
  return verdict;
}

bool orders_values(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.op->order_form != nullptr ||
           std::any_of(node.graphs.begin(), node.graphs.end(), orders_values);
  });
}

// The order of values is not known in a field, but on a cell.
Verdict verify_as_given(const Graph& a, const Graph& b, const VerifyOptions& options) {
  try {
    return Verification(a, b, options).run();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    if (orders_values(a) || orders_values(b)) {
      Verdict verdict = Verification(a, b, options).run(error.what());
      if (verdict.cells > 0 || verdict.outcome != Outcome::kInconclusive) return verdict;
    }
    return unsupported(a, b, error.what());
  }
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kEquivalent:
      return "equivalent";
    case Outcome::kDifferent:
      return "different";
    case Outcome::kInconclusive:
      return "inconclusive";
    case Outcome::kUnsupported:
      return "unsupported";
  }
  return "";
}

Verdict verify(const Graph& a, const Graph& b, const VerifyOptions& options) {
  require(options.most_passes > 0, "a check needs at least one pass, got {}", options.most_passes);
  require(options.size_bindings > 0, "a check needs at least one binding of the sizes, got {}",
          options.size_bindings);
  validate(a);
  validate(b);
  require_same_signature(a, b, options.match_names);
  if (options.elements > 0) return verify_elements(a, b, options);
  if (options.shrink > 0) {
    if (const auto small = shrink_pair(a, b, options.shrink)) {
      Verdict verdict = verify_as_given(small->first, small->second, options);
      verdict.shrunk = true;
      // Constants such as 1/n do not shrink with n, so only acceptance counts.
      if (verdict.outcome == Outcome::kEquivalent) return verdict;
    }
  }
  return verify_as_given(a, b, options);
}

}  // namespace lamina
