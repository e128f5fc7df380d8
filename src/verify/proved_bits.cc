// Bounds of all output elements, and the accounting of passes.
#include "verify/proved_bits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <tuple>

#include "verify/bound_algebra.h"
#include "verify/certificate.h"
#include "verify/domains.h"
#include "verify/error_bound.h"
#include "verify/evaluate.h"

namespace lamina {
namespace {

// What an undefined pass is charged: 4 bits. An agreeing one then costs 0.09 bits.
constexpr double kVoidShare = 1.0 / 16.0;

constexpr double kNever = -std::numeric_limits<double>::infinity();

// Both graphs over the algebra of bounds.
class BoundEvaluation {
 public:
  BoundEvaluation(const Graph& a, const Graph& b, const Pass::Setting& setting, const Pass& first,
                  BoundAlgebra::Detail detail)
      : algebra_(detail) {
    algebra_.set_imaginary(setting.profile.imaginary);
    algebra_.set_idempotent(first.field().idempotent_maxima() > 0);
    std::vector<Array<Formal>> inputs;
    for (const Array<Formal>& drawn : first.inputs()) {
      Array<Formal> input{drawn.dtype, drawn.shape, {}, drawn.whole, drawn.is_whole};
      for (const Formal& x : drawn.real) {
        const Formal variable = algebra_.variable(first.numbers()[input_count_++]);
        const bool positive = first.field().monomial_of(x).has_value();
        input.real.push_back(positive ? algebra_.positive(variable) : variable);
      }
      inputs.push_back(std::move(input));
    }
    algebra_.set_input_count(input_count_);
    FormalDomain domain(algebra_);
    a_ = evaluate(a, domain, inputs, setting.sizes);
    b_ = evaluate(b, domain, inputs, setting.sizes);
  }

  const BoundAlgebra& algebra() const { return algebra_; }
  std::uint32_t input_count() const { return input_count_; }
  bool in_step(const Pass& first) const {
    return algebra_.gate_supports().size() == first.field().exponents().size();
  }

  // Calls visit(output, x, y) for every pair of finite output elements.
  template <class Visit>
  void each_pair(Visit visit) const {
    const FormalDomain domain(algebra_);
    for (std::size_t k = 0; k < a_.size(); ++k) {
      for (std::int64_t i = 0; i < a_[k].size(); ++i) {
        const Formal x = real_at(domain, a_[k], i);
        const Formal y = real_at(domain, b_[k], i);
        if (x.finite() && y.finite()) visit(k, x, y);
      }
    }
  }

 private:
  BoundAlgebra algebra_;
  std::uint32_t input_count_ = 0;
  FormalValues a_;
  FormalValues b_;
};

Ranges gates_of(const BoundAlgebra& algebra, const Formal& x, const Formal& y) {
  return algebra.support(x).gates | algebra.support(y).gates;
}

// The certificates of all output elements; none where the evaluations did not go in step.
std::unique_ptr<Certifier> certify(const BoundEvaluation& bounds, Pass& first) {
  if (!bounds.in_step(first) || first.field().exponents().empty()) return nullptr;
  auto certifier =
      std::make_unique<Certifier>(first.field(), bounds.algebra(), bounds.input_count());
  bounds.each_pair([&](std::size_t, const Formal& x, const Formal& y) {
    certifier->plan(gates_of(bounds.algebra(), x, y));
  });
  const auto moved = first.exponents_at(certifier->draw_moves(first.random()));
  if (moved.size() != first.field().exponents().size()) return nullptr;
  certifier->moved(moved);
  return certifier;
}

// The worst of all output elements.
PassError error_of(const Graph& a, const BoundEvaluation& bounds, const PrimeProfile& profile,
                   const Certifier* certifier) {
  const BoundAlgebra& algebra = bounds.algebra();
  PassError error;
  error.once = kNever;
  for (const std::string& name : value_names(a)) {
    error.outputs.push_back({name, 1e3, 1e3, 1e3});
  }
  if (algebra.overflowed()) {
    for (OutputBound& output : error.outputs) output = {output.output, 0.0, 0.0, 0.0};
    return error;
  }
  const BoundContext context{profile, algebra.exponents()};
  double worst = kNever, worst_by_t1 = kNever;
  bool certified = false;
  std::map<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>, TupleBound> seen;
  bounds.each_pair([&](std::size_t k, const Formal& x, const Formal& y) {
    const auto [at, added] = seen.try_emplace({x.p[0], y.p[0], x.p[2], y.p[2]});
    if (added) {
      const auto certificate = certifier != nullptr ? certifier->find(gates_of(algebra, x, y))
                                                    : std::optional<Certificate>();
      at->second = tuple_bound(algebra.difference(algebra.fraction(x), algebra.fraction(y)),
                               certificate, context);
    }
    const TupleBound& bound = at->second;
    OutputBound& output = error.outputs[k];
    output.t1 = std::min(output.t1, 0.0 - bound.t1);
    output.t2 = std::min(output.t2, 0.0 - bound.t2);
    output.t12 = std::min(output.t12, 0.0 - bound.t12);
    worst = std::max(worst, bound.best());
    worst_by_t1 = std::max(worst_by_t1, bound.t1);
    certified = certified || bound.best() < bound.t1;
  });
  const double merges = false_merge_bound(algebra, context);
  error.each = add_probabilities(kLanes * worst, merges);
  error.by_t1 = add_probabilities(kLanes * worst_by_t1, merges);
  if (certified) error.once = false_exponent_bound(algebra, context);
  return error;
}

// Certificates of more exponentials than this take longer than several passes.
constexpr std::size_t kManyExponents = 1 << 17;
constexpr double kFewPasses = 3.0;

}  // namespace

PassError pass_error(const Graph& a, const Graph& b, const Pass::Setting& setting, Pass& first,
                     double wanted) {
  // Without exponentials there is nothing that supports could certify.
  const std::size_t exponents = first.field().exponents().size();
  if (exponents == 0 || exponents > kManyExponents) {
    const BoundEvaluation sizes(a, b, setting, first, BoundAlgebra::Detail::kSizes);
    const PassError error = error_of(a, sizes, setting.profile, nullptr);
    if (-kFewPasses * error.by_t1 > wanted) return error;
  }
  const BoundEvaluation bounds(a, b, setting, first, BoundAlgebra::Detail::kAll);
  const std::unique_ptr<Certifier> certifier =
      bounds.algebra().overflowed() ? nullptr : certify(bounds, first);
  return error_of(a, bounds, setting.profile, certifier.get());
}

PassError worse(const PassError& a, const PassError& b) {
  return {std::max(a.each, b.each), add_probabilities(a.once, b.once), std::max(a.by_t1, b.by_t1),
          a.outputs};
}

std::int64_t Account::count(bool compared) const {
  return std::count_if(elements_.begin(), elements_.end(),
                       [&](const Element& element) { return (element.agreed > 0) == compared; });
}

// The evidence of the element that has least of it, as a logarithm.
double Account::evidence(double each) const {
  double worst = kNever;
  for (const Element& element : elements_) {
    const double agreed = each - std::log2(1.0 - kVoidShare);
    // A void pass was booked as agreement.
    const int agreements = std::max(0, element.agreed - void_passes_);
    const int voids = element.undefined + void_passes_;
    const double sum = agreements == 0 ? 0.0 : agreements * agreed;
    worst = std::max(worst, sum - voids * std::log2(kVoidShare));
  }
  return std::min(0.0, worst);
}

// Two bounds of one error e: if their error probabilities are scaled by 1 / w and 1 / (1 - w), the
// smaller one holds as well (union bound).
double Account::bits(const PassError& error) const {
  constexpr double kShareOfT1 = 0x1p-10;
  double best = add_probabilities(evidence(error.each), error.once);
  if (error.each != error.by_t1) {
    best =
        std::min(best - std::log2(1.0 - kShareOfT1), evidence(error.by_t1) - std::log2(kShareOfT1));
  }
  // More than a thousand bits are no better than a thousand.
  return std::floor(std::clamp(0.0 - best - charge_, 0.0, 1000.0) * 10.0) / 10.0;
}

}  // namespace lamina
