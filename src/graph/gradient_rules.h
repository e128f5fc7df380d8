// Small pieces shared by the gradients and samples of the operator files.
#pragma once

#include "graph/expression.h"
#include "graph/op_def.h"

namespace lamina {

// `gradient` summed over the axes along which input `i` of the node was broadcast.
Value sum_to(const GradientView& node, Value gradient, int i);

// The parts of a GradientView as expressions.
Expr grad_of(const GradientView& node, int output = 0);
Expr input_of(const GradientView& node, int i);
Expr output_of(const GradientView& node);

// The gradient of a unary operator from its derivative in terms of the input x and the output y.
using Derivative = Expr (*)(const Expr& x, const Expr& y, const Attrs& attrs);
template <Derivative derivative>
std::vector<Value> chain(const GradientView& node) {
  // A copy: adding nodes moves the node's own attributes.
  const Attrs attrs = node.attrs();
  return {grad_of(node) * derivative(input_of(node, 0), output_of(node), attrs)};
}
// The gradient of a step function: zero wherever it exists.
std::vector<Value> zero_gradient(const GradientView& node);

// A dense f32 type, for samples.
Type f32(Dims shape);

// Samples of unary float operators. The second shape does not fill whole vectors.
std::vector<Sample> real_samples();      // [-2, 2], away from no kink
std::vector<Sample> positive_samples();  // [0.5, 2]
std::vector<Sample> unit_samples();      // [-0.9, 0.9]
// Samples of step functions, whose gradient is zero: f32 and i32.
std::vector<Sample> step_samples();
// Samples of binary operators: f32 in [-2, 2] with broadcasting, i32.
std::vector<Sample> binary_samples();
std::vector<Sample> boolean_samples();  // two bool operands
std::vector<Sample> integer_samples();  // two integer operands of each width

}  // namespace lamina
