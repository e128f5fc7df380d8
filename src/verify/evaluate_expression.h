// Expressions as functions over any number type, without graphs.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "graph/meaning/domain.h"
#include "graph/op_def.h"
#include "lamina/identity.h"

namespace lamina {

// The values of all nodes, in their order; the last one is that of the expression. `inputs` has a
// number per input. `values` is overwritten: pass the same one again to save allocations. Domains
// are described in graph/meaning/domain.h.
template <class Domain>
void evaluate_nodes(const Expression& expression, Domain& domain,
                    std::span<const typename Domain::Number> inputs,
                    std::vector<typename Domain::Number>& values) {
  using Number = typename Domain::Number;
  values.clear();
  values.reserve(expression.nodes.size());
  std::array<Number, Expression::kMaxOperands> operands{};
  for (const Expression::Node& node : expression.nodes) {
    if (node.op != nullptr) {
      std::size_t n = 0;
      for (; n < operands.size() && node.operands[n] >= 0; ++n) {
        operands[n] = values[static_cast<std::size_t>(node.operands[n])];
      }
      const auto meaning = Domain::scalar(node.op->scalar);
      const Number value = meaning(std::span<const Number>(operands.data(), n), node.attrs);
      values.push_back(node.truth ? truth(value) : value);
    } else if (node.input >= 0) {
      values.push_back(inputs[static_cast<std::size_t>(node.input)]);
    } else {
      const Number numerator = domain.integer(node.constant.numerator);
      const bool whole = node.constant.denominator == 1;
      values.push_back(whole ? numerator : numerator / domain.integer(node.constant.denominator));
    }
  }
}

}  // namespace lamina
