// What the operators that move, cut and fold tensors share.
#pragma once

#include "graph/kinds.h"

namespace lamina {

// The number of elements of a tensor of this shape.
Dim element_count(const Dims& shape);
// Access to all elements of a tensor of this shape by the first loops.
Access whole_access(const Dims& shape);
// The copy of all of operand `operand`, of this shape, into output 0.
Copy whole_copy(int operand, const Dims& shape);
// The copy of a fill value to all of output `output`.
Copy fill_copy(double value, const Dims& shape, int output = 0);

// The dtype of moved elements: packed types are decoded to f32.
DType element_dtype(const Type& type);

// The attribute `name` (one dim per axis) or, when it is empty, `fallback` for every axis.
Dims per_axis(const NodeView& node, std::string_view name, std::size_t rank, std::int64_t fallback);
// The same, as numbers.
std::vector<std::int64_t> numbers_per_axis(const NodeView& node, std::string_view name,
                                           std::size_t rank, std::int64_t fallback);

// A tensor of this type filled with `value`.
Value filled(Graph& graph, const Type& type, double value);
// The scalar `size` in `dtype`: a constant when it is known, else a size_value.
Value size_scalar(Graph& graph, const Dim& size, DType dtype);

// What a shape rule saw of a node under differentiation. Keeps copies, because adding nodes moves
// the graph's nodes.
struct NodeCopy {
  explicit NodeCopy(const GradientView& node);
  NodeView view() const { return {*op, types, attrs, {}}; }

  const OpDef* op;
  std::vector<Type> types;
  Attrs attrs;
};

}  // namespace lamina
