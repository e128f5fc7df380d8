// Sizes of both sides, without graphs and supports.
#include "verify/expression_bound.h"

#include <limits>
#include <vector>

#include "verify/bound_algebra.h"
#include "verify/domains.h"
#include "verify/error_bound.h"
#include "verify/evaluate_expression.h"

namespace lamina {

PassError expression_error(const Identity& identity, const ExpressionSetting& setting) {
  BoundAlgebra algebra(BoundAlgebra::Detail::kFewSizes);
  algebra.set_imaginary(setting.profile.imaginary);
  algebra.set_idempotent(setting.idempotent);
  std::vector<Formal> inputs;
  for (const bool positive : setting.positive) {
    const Formal variable = algebra.variable(static_cast<std::uint32_t>(inputs.size()));
    inputs.push_back(positive ? algebra.positive(variable) : variable);
  }
  algebra.set_input_count(static_cast<std::uint32_t>(inputs.size()));
  FormalDomain domain(algebra);
  std::vector<Formal> values;
  evaluate_nodes(identity.left, domain, std::span<const Formal>(inputs), values);
  const Formal left = values.back();
  evaluate_nodes(identity.right, domain, std::span<const Formal>(inputs), values);
  const Formal right = values.back();
  PassError error;
  error.once = -std::numeric_limits<double>::infinity();
  // What is no finite value here was one in a field: nothing is known of it.
  if (algebra.overflowed() || !left.finite() || !right.finite()) return error;
  const BoundContext context{setting.profile, algebra.exponents()};
  const Polynomial difference = algebra.difference(algebra.fraction(left), algebra.fraction(right));
  error.each = add_probabilities(kLanes * tuple_bound(difference, std::nullopt, context).best(),
                                 false_merge_bound(algebra, context));
  return error;
}

}  // namespace lamina
