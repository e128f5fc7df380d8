// Both graphs over values with roots, pass by pass.
#include "verify/root_level.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/op_def.h"
#include "num/root_field.h"
#include "verify/domains.h"
#include "verify/error_bound.h"
#include "verify/evaluate.h"
#include "verify/proved_bits.h"
#include "verify/range_algebra.h"
#include "verify/root_bounds.h"

namespace lamina {
namespace {

using Values = std::vector<Array<Formal>>;

constexpr std::size_t kMostConjugated = 3;

bool has_operator(const Graph& graph, std::string_view name) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [&](const Node& node) { return node.op->name == name; });
}

// How two values were found to agree; a later kind says less.
struct Agreement {
  enum class Kind { kNone, kUndefined, kEqual, kSquares, kConjugate };
  Kind kind = Kind::kNone;
  double factors = 1.0;  // the majorant of the difference enters this often
};

Agreement agreement(const RootField& field, const Formal& x, const Formal& y) {
  using Kind = Agreement::Kind;
  if (x.state == Formal::State::kPoison || y.state == Formal::State::kPoison) {
    return {Kind::kUndefined, 1.0};
  }
  if (x.agrees(y)) return {Kind::kEqual, 1.0};
  if (!x.finite() || !y.finite()) return {};
  const RootExtension& extension = field.extension();
  const auto vanishes = [&](const RootExtension::Terms& terms) {
    return extension.equal(terms, {});
  };
  const auto minus = extension.sum(field.terms(x), extension.negative(field.terms(y)));
  const auto plus = extension.sum(field.terms(x), field.terms(y));
  if (vanishes(extension.product(minus, plus))) return {Kind::kSquares, 2.0};
  auto norm = minus;
  double factors = 1.0;
  for (std::size_t i = 0; i < kMostConjugated; ++i) {
    const auto generator = extension.highest_generator(norm);
    if (!generator) break;
    norm = extension.norm(norm, *generator);
    factors *= extension.order(*generator);
    if (vanishes(norm)) return {Kind::kConjugate, factors};
  }
  return {};
}

// One pass: primes, a point, both graphs.
class RootPass {
 public:
  RootPass(const Graph& a, const Graph& b, const LevelSetting& setting, int number)
      : draw_(setting, number), field_(draw_.residues()) {
    cube_roots_ = has_operator(a, "cbrt") || has_operator(b, "cbrt");
    const Values inputs = inputs_of(setting.plans, [&](const InputPlan& plan) {
      return variable(field_, plan.positive(), field_.lift(draw_.residues().random()));
    });
    FormalDomain domain(field_);
    a_ = evaluate(a, domain, inputs, setting.sizes);
    b_ = evaluate(b, domain, inputs, setting.sizes);
  }

  // False when the values differ.
  bool compare(Account& account, std::vector<Agreement>& agreements) const {
    const FormalDomain domain(field_);
    std::size_t element = 0;
    for (std::size_t k = 0; k < a_.size(); ++k) {
      if (a_[k].shape != b_[k].shape) return false;
      const auto size = static_cast<std::size_t>(a_[k].size());
      account.resize(element + size);
      agreements.resize(std::max(agreements.size(), element + size));
      for (std::int64_t i = 0; i < a_[k].size(); ++i, ++element) {
        const Agreement found =
            agreement(field_, real_at(domain, a_[k], i), real_at(domain, b_[k], i));
        if (found.kind == Agreement::Kind::kNone) return false;
        if (found.kind == Agreement::Kind::kUndefined) {
          account.undefined(element);
          continue;
        }
        account.agree(element);
        Agreement& worst = agreements[element];
        worst = {std::max(worst.kind, found.kind), std::max(worst.factors, found.factors)};
      }
    }
    return true;
  }

  LevelDraw& draw() { return draw_; }

  // log2 of the probability that different values agree as `agreements` says; nullopt where the
  // majorants do not follow.
  std::optional<PassError> error(const Graph& a, const Graph& b, const LevelSetting& setting,
                                 const std::vector<Agreement>& agreements) const {
    RootBounds bounds(field_.tape());
    bounds.set_imaginary(setting.profile.imaginary);
    bounds.set_input_count(count_elements(setting.plans));
    std::uint32_t number = 0;
    const Values inputs = inputs_of(setting.plans, [&](const InputPlan& plan) {
      return variable(bounds, plan.positive(), bounds.variable(number++));
    });
    FormalDomain domain(bounds);
    const Values x = evaluate(a, domain, inputs, setting.sizes);
    const Values y = evaluate(b, domain, inputs, setting.sizes);
    if (!bounds.in_step() || bounds.overflowed()) return std::nullopt;
    const BoundContext context{setting.profile, bounds.exponents()};
    double worst = -std::numeric_limits<double>::infinity();
    std::size_t element = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      for (std::int64_t i = 0; i < x[k].size(); ++i, ++element) {
        const Formal u = real_at(domain, x[k], i);
        const Formal v = real_at(domain, y[k], i);
        if (!u.finite() || !v.finite()) continue;
        const Polynomial one = bounds.difference(bounds.fraction(u), bounds.fraction(v));
        Polynomial all = one;
        for (double f = 1.0; f < agreements[element].factors; f += 1.0) all = all * one;
        worst = std::max(worst, tuple_bound(all, std::nullopt, context).best());
      }
    }
    PassError error;
    error.once = -std::numeric_limits<double>::infinity();
    error.each = add_probabilities(kLanes * worst, false_merge_bound(bounds, context));
    // The first lane says which small rational it would be; the others have to confirm it.
    const double test = (kLanes - 1) * tuple_bound(bounds.tested(), std::nullopt, context).best();
    error.each = add_probabilities(error.each, std::log2(bounds.tests() + 1.0) + test);
    return error;
  }

 private:
  // Inputs of any sign have cube roots from the start, so that those of their products are known.
  template <class Roots>
  Formal variable(const Roots& algebra, bool positive, const Formal& drawn) const {
    if (positive) return algebra.positive_input(drawn);
    if (cube_roots_) algebra.root(3, drawn);
    return drawn;
  }

  LevelDraw draw_;
  RootField field_;
  bool cube_roots_ = false;
  Values a_;
  Values b_;
};

// Whether every pair of output elements of which only the squares agree has one sign: while the
// inputs run through their ranges.
bool signs_agree(const Graph& a, const Graph& b, const LevelSetting& setting,
                 const std::vector<Agreement>& agreements) {
  RangeAlgebra ranges;
  const Values inputs = inputs_of(setting.plans, [&](const InputPlan& plan) {
    return ranges.variable({plan.facts.low, plan.facts.high});
  });
  FormalDomain domain(ranges);
  const Values x = evaluate(a, domain, inputs, setting.sizes);
  const Values y = evaluate(b, domain, inputs, setting.sizes);
  std::size_t element = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    for (std::int64_t i = 0; i < x[k].size(); ++i, ++element) {
      if (agreements[element].kind == Agreement::Kind::kConjugate) return false;
      if (agreements[element].kind != Agreement::Kind::kSquares) continue;
      const Formal u = real_at(domain, x[k], i);
      const Formal v = real_at(domain, y[k], i);
      if (!u.finite() || !v.finite()) return false;
      const Interval& left = ranges.range(u);
      const Interval& right = ranges.range(v);
      const bool above = left.low >= 0.0 && right.low >= 0.0;
      const bool below = left.high <= 0.0 && right.high <= 0.0;
      if (!above && !below) return false;
    }
  }
  return true;
}

std::optional<LevelResult> passes(const Graph& a, const Graph& b, const LevelSetting& setting) {
  const VerifyOptions& options = setting.options;
  LevelResult result;
  Account account{kOtherLevel};
  std::vector<Agreement> agreements;
  std::optional<PassError> error;
  for (int p = 0; p < options.most_passes; ++p) {
    RootPass pass(a, b, setting, p);
    if (!pass.compare(account, agreements)) return std::nullopt;
    const bool enough = options.bits <= 0.0 || pass.draw().count_primes(setting.profile);
    pass.draw().add_tuples(p + 1, setting.sizes, result.tuples);
    if (options.bits <= 0.0) break;
    if (!enough) account.void_pass();
    const auto one = pass.error(a, b, setting, agreements);
    if (!one) return std::nullopt;
    error = error ? worse(*error, *one) : *one;
    result.bits = account.bits(*error);
    if (result.bits >= options.bits) break;
  }
  if (account.count(false) > 0) return std::nullopt;
  result.elements = account.count(true);
  const bool equal = std::all_of(agreements.begin(), agreements.end(), [](const Agreement& one) {
    return one.kind == Agreement::Kind::kEqual;
  });
  result.proved = equal || signs_agree(a, b, setting, agreements);
  result.how = equal ? "with roots as symbols"
                     : "in their squares with roots as symbols, and in their signs";
  return result;
}

}  // namespace

std::optional<LevelResult> compare_roots(const Graph& a, const Graph& b,
                                         const LevelSetting& setting) {
  return compare_small(a, b, setting, [&] { return passes(a, b, setting); });
}

}  // namespace lamina
