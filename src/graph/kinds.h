// What the operator files share: shape rules and the tables of scalar meanings.
#pragma once

#include <span>
#include <vector>

#include "graph/op_def.h"
#include "num/algebra.h"

namespace lamina {

// NumPy broadcasting of two shapes. Throws kInvalidArgument naming `op` and both shapes.
Dims broadcast_shapes(std::string_view op, const Dims& a, const Dims& b);

// Shape rules of element-wise operators: broadcast shape; promoted dtype, bool, or the dtype of
// the first input.
std::vector<Type> infer_elementwise(const NodeView& node);
std::vector<Type> infer_float(const NodeView& node);       // refuses integers: exp, log, ...
std::vector<Type> infer_comparison(const NodeView& node);  // bool
std::vector<Type> infer_logical(const NodeView& node);     // bool from bool
std::vector<Type> infer_integer(const NodeView& node);     // refuses floats and bool

// An axis attribute as 0 <= axis < rank. Throws kInvalidArgument.
int resolve_axis(std::string_view op, std::int64_t axis, std::size_t rank);
// The attribute `name` (a list of axes; empty: all) as sorted, unique, non-negative axes.
std::vector<int> resolve_axes(const NodeView& node, std::string_view name, std::size_t rank);

// Access to all axes of an operand of this shape by the first loops, with broadcasting of size-1
// and missing leading axes.
Access broadcast_access(const Dims& operand_shape, const Dims& loop_shape);

// The expansion of an element-wise composite: its inputs, `build`, one output "y".
// `build(graph, inputs)` returns the value.
template <class Build>
Graph expand_with(const NodeView& node, Build build) {
  Graph graph;
  graph.name = std::string(node.op.name);
  std::vector<Value> inputs;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    inputs.push_back(graph.add_input("x" + std::to_string(i), node.inputs[i]));
  }
  graph.add_output("y", build(graph, std::span<const Value>(inputs)));
  return graph;
}

// A float of the dtype of `like`.
Value scalar(Graph& graph, Value like, double value);

// Adapts Op::apply(x, attrs), a template over the number types, to the table of meanings.
template <class Op, class T>
T apply_scalar(std::span<const T> x, const Attrs& attrs) {
  return Op::template apply<T>(x, attrs);
}

template <class Op>
ScalarMeaning real_meaning() {
  return {.real = apply_scalar<Op, double>,
          .whole = nullptr,
          .interval = apply_scalar<Op, Interval>,
          .formal = apply_scalar<Op, Formal>,
          .code = apply_scalar<Op, Code>};
}

// For operators that also have a meaning on integers.
template <class Op>
ScalarMeaning number_meaning() {
  ScalarMeaning meaning = real_meaning<Op>();
  meaning.whole = apply_scalar<Op, std::int64_t>;
  return meaning;
}

// For operators on integers only (shifts, bit operations).
template <class Op>
ScalarMeaning whole_meaning() {
  return {.real = nullptr,
          .whole = apply_scalar<Op, std::int64_t>,
          .interval = nullptr,
          .formal = nullptr,
          .code = apply_scalar<Op, Code>};
}

// The rows of the element-wise operators: what they share, filled in once.
using GradientRule = std::vector<Value> (*)(const GradientView&);
using Samples = std::vector<Sample> (*)();

// A function of one real.
template <class Op>
OpDef unary_float(std::string_view name, GradientRule gradient, Samples samples,
                  std::vector<AttrSpec> attrs = {}) {
  return {.name = name,
          .attrs = std::move(attrs),
          .infer = infer_float,
          .scalar = real_meaning<Op>(),
          .gradient = gradient,
          .samples = samples};
}

// A function of one real or integer.
template <class Op>
OpDef unary_number(std::string_view name, GradientRule gradient, Samples samples,
                   std::vector<AttrSpec> attrs = {}) {
  OpDef op = unary_float<Op>(name, gradient, samples, std::move(attrs));
  op.infer = infer_elementwise;
  op.scalar = number_meaning<Op>();
  return op;
}

// A function of two reals or integers, broadcast.
template <class Op>
OpDef binary_number(std::string_view name, GradientRule gradient, Samples samples) {
  OpDef op = unary_number<Op>(name, gradient, samples);
  op.min_inputs = 2;
  op.max_inputs = 2;
  return op;
}

// The same giving a truth value.
template <class Op>
OpDef comparison(std::string_view name, Samples samples) {
  OpDef op = binary_number<Op>(name, nullptr, samples);
  op.infer = infer_comparison;
  return op;
}

// A function of two integers, broadcast.
template <class Op>
OpDef binary_integer(std::string_view name, Samples samples) {
  return {.name = name,
          .min_inputs = 2,
          .max_inputs = 2,
          .infer = infer_integer,
          .scalar = whole_meaning<Op>(),
          .samples = samples};
}

}  // namespace lamina
