// Both graphs over sums of exponentials as exponents, pass by pass.
#include "verify/tower_level.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "num/tower_field.h"
#include "verify/domains.h"
#include "verify/error_bound.h"
#include "verify/evaluate.h"
#include "verify/proved_bits.h"
#include "verify/tower_bounds.h"

namespace lamina {
namespace {

using Values = std::vector<Array<Formal>>;

// Calls visit(element, x, y) for all output elements.
template <class Visit>
void each_pair(const Algebra& algebra, const Values& a, const Values& b, Visit visit) {
  const FormalDomain domain(algebra);
  std::size_t element = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    for (std::int64_t i = 0; i < a[k].size(); ++i) {
      visit(element++, real_at(domain, a[k], i), real_at(domain, b[k], i));
    }
  }
}

class TowerPass {
 public:
  TowerPass(const Graph& a, const Graph& b, const LevelSetting& setting, int number)
      : draw_(setting, number), field_(draw_.residues()) {
    const Values inputs = inputs_of(setting.plans, [&](const InputPlan& plan) {
      const Formal drawn = field_.lift(draw_.residues().random());
      return plan.positive() ? field_.positive(drawn) : drawn;
    });
    FormalDomain domain(field_);
    a_ = evaluate(a, domain, inputs, setting.sizes);
    b_ = evaluate(b, domain, inputs, setting.sizes);
  }

  LevelDraw& draw() { return draw_; }

  // False when the values differ.
  bool compare(Account& account) const {
    bool equal = true;
    account.resize(std::accumulate(a_.begin(), a_.end(), std::size_t{0},
                                   [](std::size_t sum, const Array<Formal>& array) {
                                     return sum + static_cast<std::size_t>(array.size());
                                   }));
    each_pair(field_, a_, b_, [&](std::size_t element, const Formal& x, const Formal& y) {
      using State = Formal::State;
      if (x.state == State::kPoison || y.state == State::kPoison) {
        account.undefined(element);
      } else if (x.agrees(y)) {
        account.agree(element);
      } else {
        equal = false;
      }
    });
    return equal;
  }

  // nullopt where the majorants do not follow.
  std::optional<PassError> error(const Graph& a, const Graph& b,
                                 const LevelSetting& setting) const {
    TowerBounds bounds(field_.quotients());
    bounds.set_imaginary(setting.profile.imaginary);
    bounds.set_idempotent(draw_.residues().idempotent_maxima() > 0);
    bounds.set_input_count(count_elements(setting.plans));
    std::uint32_t number = 0;
    const Values inputs = inputs_of(setting.plans, [&](const InputPlan& plan) {
      const Formal drawn = bounds.variable(number++);
      return plan.positive() ? bounds.positive(drawn) : drawn;
    });
    FormalDomain domain(bounds);
    const Values x = evaluate(a, domain, inputs, setting.sizes);
    const Values y = evaluate(b, domain, inputs, setting.sizes);
    if (!bounds.in_step() || bounds.overflowed() ||
        bounds.exponentials() != draw_.residues().exponents().size()) {
      return std::nullopt;
    }
    const BoundContext context{setting.profile, bounds.exponents()};
    double worst = -std::numeric_limits<double>::infinity();
    each_pair(bounds, x, y, [&](std::size_t, const Formal& u, const Formal& v) {
      if (!u.finite() || !v.finite()) return;
      const Polynomial difference = bounds.difference(bounds.fraction(u), bounds.fraction(v));
      worst = std::max(worst, tuple_bound(difference, std::nullopt, context).best());
    });
    PassError error;
    error.once = -std::numeric_limits<double>::infinity();
    error.each = add_probabilities(kLanes * worst, false_merge_bound(bounds, context));
    error.each = add_probabilities(error.each, false_basis(bounds, context));
    return error;
  }

 private:
  // That two different basis elements were taken for one, in all lanes: their exponents are sums of
  // as many arguments as a term of an exponent has factors.
  double false_basis(const TowerBounds& bounds, const BoundContext& context) const {
    const ExponentDifference d = exponent_difference(bounds.most_factors(), context);
    const auto lowest_q = static_cast<double>(context.primes.smallest_q);
    const double one =
        d.degree / lowest_q + std::floor(d.height / std::log2(lowest_q)) /
                                  static_cast<double>(context.primes.exponent_primes);
    const auto size = static_cast<double>(field_.basis_size());
    return 2.0 * std::log2(size) + kLanes * std::min(0.0, std::log2(one) + 1e-9);
  }

  LevelDraw draw_;
  TowerField field_;
  Values a_;
  Values b_;
};

std::optional<LevelResult> passes(const Graph& a, const Graph& b, const LevelSetting& setting) {
  const VerifyOptions& options = setting.options;
  LevelResult result{.proved = true, .how = "with exponentials as symbols in exponents"};
  Account account{kOtherLevel};
  std::optional<PassError> error;
  for (int p = 0; p < options.most_passes; ++p) {
    TowerPass pass(a, b, setting, p);
    if (!pass.compare(account)) return std::nullopt;
    const bool enough = options.bits <= 0.0 || pass.draw().count_primes(setting.profile);
    pass.draw().add_tuples(p + 1, setting.sizes, result.tuples);
    if (options.bits <= 0.0) break;
    if (!enough) account.void_pass();
    const auto one = pass.error(a, b, setting);
    if (!one) return std::nullopt;
    error = error ? worse(*error, *one) : *one;
    result.bits = account.bits(*error);
    if (result.bits >= options.bits) break;
  }
  if (account.count(false) > 0) return std::nullopt;
  result.elements = account.count(true);
  return result;
}

}  // namespace

std::optional<LevelResult> compare_towers(const Graph& a, const Graph& b,
                                          const LevelSetting& setting) {
  return compare_small(a, b, setting, [&] { return passes(a, b, setting); });
}

}  // namespace lamina
