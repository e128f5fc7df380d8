// Checks of many identities at the same points (docs/design/verify.md, "Batches"). Expressions are
// evaluated without graphs; theorem T1 and a few passes prove enough for most. Whatever is not
// settled that way is left to verify().
#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "graph/op_def.h"
#include "lamina/error.h"
#include "lamina/identity.h"
#include "verify/branches.h"
#include "verify/conditions.h"
#include "verify/domains.h"
#include "verify/evaluate_expression.h"
#include "verify/expression_bound.h"
#include "verify/inputs.h"
#include "verify/pass.h"
#include "verify/point_check.h"
#include "verify/prime_supply.h"
#include "verify/proved_bits.h"

namespace lamina {
namespace {

constexpr int kQuickPasses = 4;
// An identity that the quick way leaves open has a second chance to be accepted by mistake.
constexpr double kSecondTryBits = 1.0;
constexpr std::size_t kMostInputs = 64;

std::uint64_t next_word(void* random) { return static_cast<SecretRandom*>(random)->word(); }

// What all identities meet in one pass: primes, and a point for the i-th input of each.
class SharedPass {
 public:
  SharedPass(const PrimeProfile& profile, const PrimeSupply::Set& primes, SecretRandom& random)
      : field_(primes.pairs, next_word, &random),
        enough_(std::all_of(primes.candidates.begin(), primes.candidates.end(),
                            [&](std::int64_t n) { return n >= profile.least_candidates; })) {}

  const ResidueField& field() const { return field_; }
  // Whether all primes q have as many p as the bounds suppose.
  bool enough() const { return enough_; }
  const Formal& point(std::size_t input) {
    while (points_.size() <= input) points_.push_back(field_.random());
    return points_[input];
  }

 private:
  ResidueField field_;
  bool enough_;
  std::deque<Formal> points_;
};

// Whether an expression can be evaluated without a graph; its mistakes are verify()'s to report.
bool is_plain(const Expression& expression) {
  for (std::size_t k = 0; k < expression.nodes.size(); ++k) {
    const Expression::Node& node = expression.nodes[k];
    if (node.op == nullptr) {
      if (node.input >= static_cast<std::int32_t>(expression.inputs.size())) return false;
      continue;
    }
    const OpDef& op = *node.op;
    if (op.scalar.formal == nullptr || op.scalar.interval == nullptr) return false;
    int operands = 0;
    for (; operands < Expression::kMaxOperands && node.operands[operands] >= 0; ++operands) {
      if (static_cast<std::size_t>(node.operands[operands]) >= k) return false;
    }
    if (operands < op.min_inputs || (op.max_inputs >= 0 && operands > op.max_inputs)) return false;
    if (op.name == "cast" && !traits(node.attrs.dtype("dtype")).is_float && !node.truth) {
      return false;
    }
  }
  return !expression.nodes.empty();
}

bool has_angle(const Expression& expression) {
  return std::any_of(
      expression.nodes.begin(), expression.nodes.end(),
      [](const Expression::Node& node) { return node.op != nullptr && is_angle(node.op->name); });
}

class Batch {
 public:
  explicit Batch(const VerifyOptions& options) : options_(options) {
    options_.bits += options.bits > 0.0 ? kSecondTryBits : 0.0;
    if (!options_.primes) options_.primes = share_primes();
  }

  BatchVerdict check(const Identity& identity) {
    const bool plain = identity.unsupported.empty() && identity.left.inputs.size() <= kMostInputs &&
                       identity.left.inputs == identity.right.inputs && is_plain(identity.left) &&
                       is_plain(identity.right);
    std::optional<BatchVerdict> verdict;
    bool doubted = false;
    if (plain) {
      try {
        verdict = quick(identity, doubted);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kUnsupported) throw;
      }
    }
    return verdict ? *verdict : whole(identity, doubted);
  }

 private:
  // What the two sides gave in one pass.
  struct Seen {
    bool agree = false;
    bool idempotent = false;
    std::int64_t branches = 0;
  };

  SharedPass& pass(const PrimeProfile& profile, int number) {
    const auto at = passes_.find({profile.imaginary, number});
    if (at != passes_.end()) return at->second;
    return passes_
        .try_emplace({profile.imaginary, number}, profile, options_.primes->get(profile, number),
                     random_)
        .first->second;
  }

  std::optional<BatchVerdict> quick(const Identity& identity, bool& doubted) {
    note_facts(identity);
    const PrimeProfile profile =
        prime_profile(has_angle(identity.left) || has_angle(identity.right));
    const std::span<const bool> positive(positive_.data(), identity.left.inputs.size());
    BatchVerdict verdict;
    Account account;
    account.resize(1);
    std::optional<PassError> error;
    double bits = 0.0;
    std::int64_t branches = 0;
    const bool proving = options_.bits > 0.0;
    const int most = proving ? std::min(kQuickPasses, options_.most_passes) : 1;
    for (int p = 0; p < most && (p == 0 || bits < options_.bits); ++p) {
      SharedPass& shared = pass(profile, p);
      const Seen seen = evaluate(identity, shared);
      if (!seen.agree) return std::nullopt;
      ++verdict.passes;
      branches = std::max(branches, seen.branches);
      if (!proving) break;
      account.agree(0);
      if (!shared.enough()) account.void_pass();
      if (!error) error = expression_error(identity, {profile, positive, seen.idempotent});
      if (error->each * kQuickPasses > -options_.bits) return std::nullopt;
      bits = account.bits(*error);
    }
    if (bits < options_.bits) return std::nullopt;
    doubted = branches > 0 && !defined_alike(identity, branches);
    if (doubted) return std::nullopt;
    verdict.outcome = Outcome::kEquivalent;
    if (proving) verdict.bits = bits - kSecondTryBits;
    return verdict;
  }

  void note_facts(const Identity& identity) {
    facts_ = &identity.facts;
    if (!options_.facts.empty()) {
      merged_ = options_.facts;
      for (const auto& [input, fact] : identity.facts) add_fact(input, fact, merged_);
      facts_ = &merged_;
    }
    for (std::size_t i = 0; i < identity.left.inputs.size(); ++i) {
      const auto known = facts_->find(identity.left.inputs[i]);
      positive_[i] = known != facts_->end() && is_positive(known->second);
    }
  }

  // Of input `i`, a real scalar.
  InputPlan plan(const Identity& identity, std::size_t i) const {
    InputPlan plan;
    const auto known = facts_->find(identity.left.inputs[i]);
    if (known != facts_->end()) plan.facts = known->second;
    return plan;
  }

  Seen evaluate(const Identity& identity, SharedPass& shared) {
    const ResidueField field(shared.field(), next_word, &random_);
    FormalDomain domain(field);
    inputs_.clear();
    for (std::size_t i = 0; i < identity.left.inputs.size(); ++i) {
      Formal x = shared.point(i);
      x.algebra = &field;
      inputs_.push_back(positive_[i] ? field.positive(x) : x);
    }
    evaluate_nodes(identity.left, domain, std::span<const Formal>(inputs_), values_);
    const Formal left = values_.back();
    evaluate_nodes(identity.right, domain, std::span<const Formal>(inputs_), values_);
    return {left.agrees(values_.back()), field.idempotent_maxima() > 0,
            count_branches(field.fresh_counts())};
  }

  // Whether no real point tried shows a difference, or a side that alone is defined.
  bool defined_alike(const Identity& identity, std::int64_t branches) {
    std::vector<InputPlan> plans;
    for (std::size_t i = 0; i < identity.left.inputs.size(); ++i) {
      plans.push_back(plan(identity, i));
    }
    IntervalDomain domain;
    std::vector<Interval> values;
    for (const int distribution : gentle_points(branches)) {
      const auto point = draw_claimed(identity, plans, distribution);
      if (!point) continue;
      evaluate_nodes(identity.left, domain, std::span<const Interval>(*point), values);
      const Interval left = values.back();
      evaluate_nodes(identity.right, domain, std::span<const Interval>(*point), values);
      if (meeting(left, values.back()) != Meeting::kOpen) return false;
    }
    return true;
  }

  // A point at which equality is claimed.
  std::optional<std::vector<Interval>> draw_claimed(const Identity& identity,
                                                    const std::vector<InputPlan>& plans,
                                                    int distribution) {
    constexpr int kAttempts = 16;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const RealPoint drawn = draw_reals(plans, distribution, random_);
      std::vector<Interval> point;
      std::vector<double> numbers;
      for (const Array<Interval>& input : drawn) {
        point.push_back(input.real.at(0));
        numbers.push_back(point.back().low);
      }
      const bool claimed =
          std::all_of(identity.conditions.begin(), identity.conditions.end(),
                      [&](const Expression& condition) { return holds(condition, numbers); });
      if (claimed && (!options_.claims || options_.claims(to_tensors(drawn)))) return point;
    }
    return std::nullopt;
  }

  BatchVerdict whole(const Identity& identity, bool doubted) const {
    auto verdict = std::make_shared<Verdict>(verify(identity, options_));
    if (doubted && verdict->outcome == Outcome::kEquivalent) {
      verdict->outcome = Outcome::kInconclusive;
      verdict->reason = "one side alone is defined at a real point";
    }
    BatchVerdict result{verdict->outcome, verdict->bits, verdict->passes, verdict};
    if (result.bits) result.bits = std::max(0.0, *result.bits - kSecondTryBits);
    return result;
  }

  VerifyOptions options_;
  SecretRandom random_{SecretRandom::system_seed()};
  std::map<std::pair<bool, int>, SharedPass> passes_;
  Facts merged_;
  const Facts* facts_ = nullptr;  // of the identity at hand
  std::array<bool, kMostInputs> positive_{};
  std::vector<Formal> inputs_, values_;
};

}  // namespace

std::vector<BatchVerdict> verify_identities(std::span<const Identity> identities,
                                            const VerifyOptions& options) {
  Batch batch(options);
  std::vector<BatchVerdict> verdicts;
  verdicts.reserve(identities.size());
  for (const Identity& identity : identities) verdicts.push_back(batch.check(identity));
  return verdicts;
}

}  // namespace lamina
