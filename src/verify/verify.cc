// The verdict of the identity tester (docs/design/verify.md, "Verdicts").
#include "lamina/verify.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/check.h"
#include "verify/domains.h"
#include "verify/evaluate.h"
#include "verify/inputs.h"
#include "verify/primes.h"
#include "verify/shrink.h"
#include "verify/signature.h"
#include "verify/witness.h"

namespace lamina {
namespace {

// Small integers make the most readable witness, so they come first.
const std::vector<int> kAll = {2, 0, 1, 3, 4, 2, 0};
// Small inputs, at which no exponential overflows.
const std::vector<int> kGentle = {3, 3};

using Values = std::vector<Array<Residue>>;

// Where two evaluations differ.
struct Mismatch {
  std::string output;
  std::int64_t element = 0;
  bool infinite = false;  // one of the values is an infinity
};

// Which output elements were compared, over all runs with one binding of the sizes.
class Coverage {
 public:
  // Compares two evaluations over one field; returns the first mismatch.
  std::optional<Mismatch> compare(const Values& a, const Values& b, const ResidueDomain& domain,
                                  const std::vector<std::string>& names) {
    check(a.size() == b.size(), "{} and {} values to compare", a.size(), b.size());
    seen_.resize(a.size());
    for (std::size_t k = 0; k < a.size(); ++k) {
      require(a[k].shape == b[k].shape, "'{}' has the shapes {} and {}", names[k],
              to_string(a[k].shape), to_string(b[k].shape));
      seen_[k].resize(static_cast<std::size_t>(a[k].size()), false);
      for (std::int64_t i = 0; i < a[k].size(); ++i) {
        const Residue x = real_at(domain, a[k], i);
        const Residue y = real_at(domain, b[k], i);
        if (x.state == Residue::State::kPoison || y.state == Residue::State::kPoison) continue;
        if (!x.agrees(y)) return Mismatch{names[k], i, !x.finite() || !y.finite()};
        seen_[k][static_cast<std::size_t>(i)] = true;
      }
    }
    return std::nullopt;
  }

  std::int64_t count(bool compared) const {
    std::int64_t total = 0;
    for (const auto& flags : seen_) total += std::count(flags.begin(), flags.end(), compared);
    return total;
  }

 private:
  std::vector<std::vector<bool>> seen_;
};

bool is_branch(const std::string& function) {
  static const std::set<std::string> kBranches = {"max",   "less",  "equal", "select",
                                                  "floor", "round", "trunc", "sign"};
  return kBranches.contains(function) || function.starts_with("cast to ");
}

std::uint64_t next_word(void* random) { return static_cast<SecretRandom*>(random)->word(); }

class Verification {
 public:
  Verification(const Graph& a, const Graph& b, const VerifyOptions& options)
      : a_(a), b_(b), options_(options), names_(value_names(a)) {}

  Verdict run() {
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
  // All runs with one binding; false when the verdict is settled.
  bool binding(const Sizes& sizes) {
    std::vector<InputPlan> plans = plan_inputs(a_, b_, sizes);
    add_facts(plans);
    if (verdict_.shapes.empty()) describe(plans);
    Coverage coverage;
    for (int r = 0; r < options_.runs; ++r) {
      const auto mismatch = evaluate_once(plans, sizes, coverage);
      if (mismatch) {
        reject(*mismatch, plans, sizes);
        return false;
      }
    }
    verdict_.compared += coverage.count(true);
    verdict_.uncompared += coverage.count(false);
    // A formal identity may hold where a branch makes both sides of a division vanish; real points
    // show that (docs/design/verify.md, "Definedness").
    if (verdict_.branches == 0 || coverage.count(false) > 0) return true;
    const WitnessSearch search = find_witness(a_, b_, plans, sizes, kGentle);
    if (search.witness) return settle_witness(search), false;
    if (search.one_sided.empty()) return true;
    return inconclusive(search.one_sided + " at a real point"), false;
  }

  std::optional<Mismatch> evaluate_once(const std::vector<InputPlan>& plans, const Sizes& sizes,
                                        Coverage& coverage) {
    const SecretRandom::Seed seed = SecretRandom::system_seed();
    SecretRandom random(seed);
    const PrimeTuple primes = draw_primes(random);
    verdict_.tuples.push_back({primes.p, primes.q, primes.omega, to_hex(seed), sizes});
    ++verdict_.runs;
    const ResidueField field(primes.p, primes.q, primes.omega, next_word, &random);
    ResidueDomain domain(field);
    const Values inputs = draw_residues(plans, field, random);
    const Values x = evaluate(a_, domain, inputs, sizes);
    const Values y = evaluate(b_, domain, inputs, sizes);
    count_fresh(field);
    return coverage.compare(x, y, domain, names_);
  }

  void count_fresh(const ResidueField& field) {
    std::int64_t branches = 0;
    for (const auto& [function, count] : field.fresh_counts()) {
      std::int64_t& most = verdict_.abstracted[function];
      most = std::max(most, static_cast<std::int64_t>(count));
      if (is_branch(function)) branches += static_cast<std::int64_t>(count);
    }
    verdict_.branches = std::max(verdict_.branches, branches);
  }

  void reject(const Mismatch& mismatch, const std::vector<InputPlan>& plans, const Sizes& sizes) {
    const WitnessSearch search = find_witness(a_, b_, plans, sizes, kAll);
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
                        "real point tried shows a difference above 1e-6";
      return;
    }
    inconclusive(where +
                 " differs in a prime field, but the graphs leave the decidable fragment (" +
                 abstracted_names() + ") and no real point tried shows a difference" +
                 (search.failure.empty() ? "" : " (" + search.failure + ")"));
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
    verdict_.reason = fmt::format(
        "element {} of '{}' is {:.6g} in the first graph and {:.6g} in the second",
        search.witness->element, search.witness->output, search.witness->a, search.witness->b);
  }

  void inconclusive(std::string reason) {
    verdict_.outcome = Outcome::kInconclusive;
    verdict_.reason = std::move(reason);
  }

  void accept() {
    if (verdict_.uncompared > 0) {
      inconclusive(fmt::format("{} of {} output elements were undefined in every run",
                               verdict_.uncompared, verdict_.compared + verdict_.uncompared));
      return;
    }
    verdict_.outcome = Outcome::kEquivalent;
    verdict_.reason =
        fmt::format("all {} output elements agree in {} runs", verdict_.compared, verdict_.runs);
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

Verdict verify_as_given(const Graph& a, const Graph& b, const VerifyOptions& options) {
  try {
    return Verification(a, b, options).run();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
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
  require(options.runs > 0, "a check needs at least one run, got {}", options.runs);
  require(options.size_bindings > 0, "a check needs at least one binding of the sizes, got {}",
          options.size_bindings);
  validate(a);
  validate(b);
  require_same_signature(a, b, options.match_names);
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
