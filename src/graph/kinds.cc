// Shape rules shared by the operator files.
#include "graph/kinds.h"

#include <algorithm>
#include <set>

#include "base/check.h"

namespace lamina {

AxisIndex AxisIndex::of(int loop, Dim coefficient, Dim offset) {
  return {{{loop, std::move(coefficient)}}, std::move(offset), {}};
}

Dims broadcast_shapes(std::string_view op, const Dims& a, const Dims& b) {
  Dims out = a.size() >= b.size() ? a : b;
  const Dims& other = a.size() >= b.size() ? b : a;
  const std::size_t skip = out.size() - other.size();
  for (std::size_t i = 0; i < other.size(); ++i) {
    Dim& dim = out[skip + i];
    if (dim == other[i] || other[i] == Dim(1)) continue;
    require(dim == Dim(1), "{}: shapes {} and {} do not broadcast", op, to_string(a), to_string(b));
    dim = other[i];
  }
  return out;
}

std::vector<Type> infer_elementwise(const NodeView& node) {
  Type out{node.inputs[0].dtype, node.inputs[0].shape, {}};
  if (is_packed(out.dtype)) out.dtype = DType::kF32;
  for (const Type& input : node.inputs.subspan(1)) {
    out.dtype = promote(out.dtype, input.dtype);
    out.shape = broadcast_shapes(node.op.name, out.shape, input.shape);
  }
  return {out};
}

std::vector<Type> infer_float(const NodeView& node) {
  std::vector<Type> out = infer_elementwise(node);
  require(traits(out[0].dtype).is_float, "{}: expected a float input, got {}", node.op.name,
          traits(out[0].dtype).name);
  return out;
}

std::vector<Type> infer_comparison(const NodeView& node) {
  std::vector<Type> out = infer_elementwise(node);
  out[0].dtype = DType::kBool;
  return out;
}

std::vector<Type> infer_logical(const NodeView& node) {
  for (const Type& type : node.inputs) {
    require(type.dtype == DType::kBool, "{}: expected bool, got {}", node.op.name,
            traits(type.dtype).name);
  }
  return infer_elementwise(node);
}

std::vector<Type> infer_integer(const NodeView& node) {
  for (const Type& type : node.inputs) {
    require(traits(type.dtype).is_integer, "{}: expected integers, got {}", node.op.name,
            traits(type.dtype).name);
  }
  return infer_elementwise(node);
}

int resolve_axis(std::string_view op, std::int64_t axis, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  require(axis >= -r && axis < r, "{}: axis {} is outside a tensor of rank {}", op, axis, rank);
  return static_cast<int>(axis < 0 ? axis + r : axis);
}

std::vector<int> resolve_axes(const NodeView& node, std::string_view name, std::size_t rank) {
  std::vector<std::int64_t> listed = node.attrs.integers(name);
  if (listed.empty()) {
    for (std::size_t i = 0; i < rank; ++i) listed.push_back(static_cast<std::int64_t>(i));
  }
  std::set<int> axes;
  for (const std::int64_t axis : listed) {
    const bool fresh = axes.insert(resolve_axis(node.op.name, axis, rank)).second;
    require(fresh, "{}: axis {} is listed twice", node.op.name, axis);
  }
  return {axes.begin(), axes.end()};
}

Access broadcast_access(const Dims& operand_shape, const Dims& loop_shape) {
  Access access;
  const std::size_t skip = loop_shape.size() - operand_shape.size();
  for (std::size_t i = 0; i < operand_shape.size(); ++i) {
    const bool repeated = operand_shape[i] == Dim(1) && loop_shape[skip + i] != Dim(1);
    access.axes.push_back(repeated ? AxisIndex{} : AxisIndex::of(static_cast<int>(skip + i)));
  }
  return access;
}

Value scalar(Graph& graph, Value like, double value) {
  return graph.constant(value, graph.type(like).dtype);
}

}  // namespace lamina
