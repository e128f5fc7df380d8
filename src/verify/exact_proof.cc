// Evaluating two graphs exactly.
#include "verify/exact_proof.h"

#include "graph/work.h"
#include "verify/domains.h"
#include "verify/evaluate.h"
#include "verify/exact_algebra.h"

namespace lamina {
namespace {

constexpr std::int64_t kMostInputs = 256;  // elements
constexpr double kMostWork = 1e5;          // operations of both graphs
constexpr std::int64_t kBudget = 100'000;  // terms that are touched: some 10 ms

bool small_enough(const Graph& a, const Graph& b, const std::vector<InputPlan>& plans,
                  const Sizes& sizes) {
  std::int64_t elements = 0;
  for (const InputPlan& plan : plans) {
    const std::int64_t count = element_count(plan.shape);
    if (!plan.real && plan.fixed.empty() && count > 0) return false;
    elements += count;
  }
  if (elements > kMostInputs || a.nodes.size() + b.nodes.size() > kMostWork) return false;
  return count_flops(a, sizes) + count_flops(b, sizes) <= kMostWork;
}

std::vector<Array<Formal>> symbolic_inputs(const std::vector<InputPlan>& plans,
                                           const ExactAlgebra& algebra) {
  std::vector<Array<Formal>> inputs;
  for (const InputPlan& plan : plans) {
    Array<Formal> array{plan.type.dtype, plan.shape, {}, {}, !plan.real};
    if (!plan.real && !plan.fixed.empty()) array.whole = plan.fixed.to_integers();
    for (std::int64_t i = 0; plan.real && i < element_count(plan.shape); ++i) {
      const Formal x = algebra.variable();
      array.real.push_back(plan.positive() ? algebra.positive(x) : x);
    }
    inputs.push_back(std::move(array));
  }
  return inputs;
}

}  // namespace

bool equal_normal_forms(const Graph& a, const Graph& b, const std::vector<InputPlan>& plans,
                        const Sizes& sizes) {
  if (!small_enough(a, b, plans, sizes)) return false;
  try {
    const ExactAlgebra algebra(kBudget);
    FormalDomain domain(algebra);
    const auto inputs = symbolic_inputs(plans, algebra);
    const auto x = evaluate(a, domain, inputs, sizes);
    const auto y = evaluate(b, domain, inputs, sizes);
    for (std::size_t k = 0; k < x.size(); ++k) {
      if (x[k].shape != y[k].shape) return false;
      for (std::int64_t i = 0; i < x[k].size(); ++i) {
        if (!real_at(domain, x[k], i).agrees(real_at(domain, y[k], i))) return false;
      }
    }
    return true;
  } catch (const Undecided&) {
    return false;
  }
}

}  // namespace lamina
