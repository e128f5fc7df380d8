// Inputs of a cell, and the comparison of both graphs there.
#include "verify/cell_run.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "verify/domains.h"
#include "verify/error_bound.h"
#include "verify/evaluate.h"

namespace lamina {
namespace {

// The cell decides orders as well.
class CellDomain : public FormalDomain {
 public:
  explicit CellDomain(const CellAlgebra& algebra) : FormalDomain(algebra), algebra_(algebra) {}
  bool before(const Formal& a, const Formal& b) const { return algebra_.before(a, b); }

 private:
  const CellAlgebra& algebra_;
};

// The real input elements in order, those that are linear forms of others included.
std::vector<Formal> make_elements(const CellProblem& problem, const CellRun::Setting& setting,
                                  CellAlgebra& algebra) {
  const std::vector<const InputPlan*> plans = problem.element_plans();
  const auto& bound = setting.region.bound;
  std::vector<Formal> elements(plans.size());
  for (std::uint32_t e = 0; e < plans.size(); ++e) {
    if (bound.contains(e)) continue;
    elements[e] = algebra.free_input(e, plans[e]->facts, setting.ranges[e]);
  }
  for (const auto& [element, form] : bound) {
    elements[element] = algebra.bound_input(form, elements);
  }
  return elements;
}

FormalValues make_inputs(const CellProblem& problem, const std::vector<Formal>& elements) {
  FormalValues inputs;
  auto next = elements.begin();
  for (const InputPlan& plan : problem.plans) {
    Array<Formal> input{plan.type.dtype, plan.shape, {}, {}, !plan.real};
    if (plan.real) {
      const auto last = next + element_count(plan.shape);
      input.real.assign(next, last);
      next = last;
    } else {
      input.whole = plan.fixed.to_integers();
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

}  // namespace

std::vector<const InputPlan*> CellProblem::element_plans() const {
  std::vector<const InputPlan*> all;
  for (const InputPlan& plan : plans) {
    if (plan.real)
      all.resize(all.size() + static_cast<std::size_t>(element_count(plan.shape)), &plan);
  }
  return all;
}

std::size_t CellProblem::real_elements() const { return element_plans().size(); }

CellRun::CellRun(const CellProblem& problem, const CellPass& pass, const Setting& setting)
    : random_(pass.seed),
      algebra_(std::make_unique<CellAlgebra>(
          CellAlgebra::Setting{pass.pairs, problem.profile, random_, problem.real_elements(),
                               setting.region.given, setting.path, setting.at_a_point})) {
  CellDomain domain(*algebra_);
  const FormalValues inputs = make_inputs(problem, make_elements(problem, setting, *algebra_));
  const FormalValues a = evaluate(problem.a, domain, inputs, problem.sizes);
  const FormalValues b = evaluate(problem.b, domain, inputs, problem.sizes);
  compare(a, b);
}

void CellRun::compare(const FormalValues& a, const FormalValues& b) {
  const CellDomain domain(*algebra_);
  worst_ = -std::numeric_limits<double>::infinity();
  check(a.size() == b.size(), "{} and {} values to compare", a.size(), b.size());
  for (std::size_t k = 0; k < a.size(); ++k) {
    check(a[k].shape == b[k].shape, "output {} has two shapes", k);
    for (std::int64_t i = 0; i < a[k].size(); ++i) {
      const Formal x = real_at(domain, a[k], i);
      const Formal y = real_at(domain, b[k], i);
      const bool no_x = x.state == Formal::State::kPoison;
      const bool no_y = y.state == Formal::State::kPoison;
      comparisons_.push_back(no_x && no_y   ? Comparison::kUndefined
                             : no_x || no_y ? Comparison::kOneSided
                             : x.agrees(y)  ? Comparison::kAgree
                                            : Comparison::kDiffer);
      if (x.finite() && y.finite()) worst_ = std::max(worst_, algebra_->agreement_bound(x, y));
    }
  }
}

double CellRun::error() const {
  if (algebra_->overflowed()) return 0.0;
  const bool undefined = std::find(comparisons_.begin(), comparisons_.end(),
                                   Comparison::kUndefined) != comparisons_.end();
  const double worst =
      std::max(kLanes * worst_, undefined ? algebra_->undefined_bound() : kLanes * worst_);
  return add_probabilities(worst, algebra_->false_merge_bound());
}

}  // namespace lamina
