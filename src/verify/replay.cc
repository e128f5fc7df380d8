// Comparing a report with what its seeds give (docs/design/verify.md, "Replay").
#include "lamina/replay.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/check.h"
#include "verify/digest.h"
#include "verify/domains.h"
#include "verify/evaluate.h"
#include "verify/pass.h"
#include "verify/replay_pass.h"
#include "verify/shrink.h"
#include "verify/signature.h"

namespace lamina {
namespace {

// Both graphs at the point of one pass.
struct Evaluated {
  std::map<std::string, std::int64_t> fresh_counts;
  PassDigest digest;
  std::vector<bool> agreed;  // by output element
  std::string mismatch;      // the first element that is defined twice and differs, or empty
};

std::string tuple_text(const FieldTuple& t) {
  return fmt::format("p = {}, q = {}, omega = {}, root_p = {}, root_q = {}", t.p, t.q, t.omega,
                     t.root_p, t.root_q);
}

class Replayer {
 public:
  Replayer(const Graph& a, const Graph& b)
      : a_(a), b_(b), names_(value_names(a)), imaginary_(uses_angles(a, b)) {}

  Replay run(const ReportedCheck& check) {
    for (const ReportedPass& pass : check.passes) {
      std::string wrong = replay_pass(pass, check);
      if (!wrong.empty()) {
        return {result_.passes, fmt::format("pass {}: {}", result_.passes + 1, std::move(wrong))};
      }
      ++result_.passes;
    }
    close_binding();
    result_.discrepancy = wrong_totals(check);
    return std::move(result_);
  }

 private:
  std::string replay_pass(const ReportedPass& pass, const ReportedCheck& check) {
    if (!seeds_.insert(pass.seed).second) return "it has the seed of an earlier pass";
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::string wrong = wrong_tuple(pass.tuples[i], imaginary_);
      if (!wrong.empty()) return fmt::format("tuple {}: {}", i + 1, wrong);
    }
    if (!is_binding(pass.sizes())) return "a check does not choose these sizes";
    SecretRandom random(pass.seed);
    const auto pairs = redraw_pairs(random, imaginary_);
    for (std::size_t i = 0; i < kLanes; ++i) {
      const PlainPair& drawn = pairs[i];
      const FieldTuple& t = pass.tuples[i];
      const FieldTuple redrawn{drawn.p, drawn.q, drawn.omega, drawn.root_p, drawn.root_q};
      if (tuple_text(redrawn) != tuple_text(t)) {
        return fmt::format("tuple {}: the report says {}; the seed gives {}", i + 1, tuple_text(t),
                           tuple_text(redrawn));
      }
    }
    return wrong_values(pass, evaluate_again(pairs, pass.sizes(), random), check);
  }

  bool is_binding(const Sizes& sizes) const {
    constexpr int kBindings = 4;  // further ones repeat these
    for (int k = 0; k < kBindings; ++k) {
      if (choose_sizes(a_, b_, k) == sizes) return true;
    }
    return false;
  }

  Evaluated evaluate_again(const std::array<PlainPair, kLanes>& pairs, const Sizes& sizes,
                           SecretRandom& random) const {
    const PlainField field(pairs, random);
    FormalDomain domain(field);
    const FormalValues inputs = redraw_inputs(plan_inputs(a_, b_, sizes), field, random);
    const FormalValues a = evaluate(a_, domain, inputs, sizes);
    const FormalValues b = evaluate(b_, domain, inputs, sizes);
    Evaluated result;
    result.fresh_counts = field.fresh_counts();
    result.digest = {digest(a), digest(b)};
    for (std::size_t k = 0; k < a.size(); ++k) {
      for (std::int64_t i = 0; i < std::min(a[k].size(), b[k].size()); ++i) {
        const Formal x = real_at(domain, a[k], i);
        const Formal y = real_at(domain, b[k], i);
        const bool defined = x.state != Formal::State::kPoison && y.state != Formal::State::kPoison;
        result.agreed.push_back(defined && x.agrees(y));
        if (!defined || result.agreed.back() || !result.mismatch.empty()) continue;
        result.mismatch = fmt::format("element {} of '{}' differs", i, names_[k]);
      }
    }
    return result;
  }

  // Compares a pass with the report and books its elements.
  std::string wrong_values(const ReportedPass& pass, const Evaluated& values,
                           const ReportedCheck& check) {
    if (values.digest.a != pass.digest.a) return "the first model gives other values (digest_a)";
    if (values.digest.b != pass.digest.b) return "the second model gives other values (digest_b)";
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::int64_t claimed = pass.tuples[i].candidates;
      // Primes are counted where bits are proved: not in a pass that refutes.
      if (claimed == 0 && (!check.bounded || !values.mismatch.empty())) continue;
      const std::int64_t count = recount_candidates(pass.tuples[i], imaginary_);
      if (count == claimed) continue;
      return fmt::format("tuple {}: p is one of {} candidates, not {}", i + 1, count, claimed);
    }
    book(pass.sizes(), values);
    return {};
  }

  void book(const Sizes& sizes, const Evaluated& values) {
    if (result_.passes > 0 && sizes != sizes_) close_binding();
    sizes_ = sizes;
    agreed_.resize(values.agreed.size(), false);
    for (std::size_t i = 0; i < agreed_.size(); ++i) {
      if (values.agreed[i]) agreed_[i] = true;
    }
    if (mismatch_.empty()) mismatch_ = values.mismatch;
    for (const auto& [function, count] : values.fresh_counts) {
      std::int64_t& most = abstracted_[function];
      most = std::max(most, count);
    }
  }

  // Elements are counted by binding of the sizes, unless one differs.
  void close_binding() {
    if (mismatch_.empty()) {
      const auto compared = std::count(agreed_.begin(), agreed_.end(), true);
      compared_ += compared;
      uncompared_ += static_cast<std::int64_t>(agreed_.size()) - compared;
    }
    agreed_.clear();
  }

  std::string wrong_totals(const ReportedCheck& check) const {
    if (check.compared != compared_ || check.uncompared != uncompared_) {
      return fmt::format("{} elements were compared and {} were not; the report says {} and {}",
                         compared_, uncompared_, check.compared, check.uncompared);
    }
    if (check.abstracted != abstracted_) return "other functions were abstracted (abstracted)";
    const bool agrees = mismatch_.empty() && uncompared_ == 0;
    if (check.verdict == to_string(Outcome::kEquivalent) && !agrees) {
      return fmt::format("the verdict is '{}', but {}", check.verdict,
                         mismatch_.empty() ? "not all elements were compared" : mismatch_);
    }
    if (check.verdict == to_string(Outcome::kDifferent) && mismatch_.empty() && !check.witness) {
      return fmt::format("the verdict is '{}', but nothing differs", check.verdict);
    }
    return {};
  }

  const Graph& a_;
  const Graph& b_;
  std::vector<std::string> names_;
  bool imaginary_;
  Replay result_;
  std::set<SecretRandom::Seed> seeds_;
  Sizes sizes_;               // of the binding at work
  std::vector<bool> agreed_;  // its elements
  std::string mismatch_;
  std::int64_t compared_ = 0;
  std::int64_t uncompared_ = 0;
  std::map<std::string, std::int64_t> abstracted_;
};

}  // namespace

Replay replay(const Graph& a, const Graph& b, std::string_view report,
              const VerifyOptions& options) {
  const ReportedCheck check = read_report(report);
  require(!check.by_cells, "report: its verdict rests on cells, which are not evaluated again");
  validate(a);
  validate(b);
  require_same_signature(a, b, options.match_names);
  if (!check.shrunk) return Replayer(a, b).run(check);
  require(options.shrink > 0, "report: shapes were shrunk; replay needs the same limit (shrink)");
  const auto small = shrink_pair(a, b, options.shrink);
  require(small.has_value(), "report: shapes were shrunk, which these models do not allow");
  return Replayer(small->first, small->second).run(check);
}

}  // namespace lamina
