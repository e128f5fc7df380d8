// Copies, fills and attribute lists with one entry per axis.
#include "graph/shaping.h"

#include "base/check.h"

namespace lamina {

Dim element_count(const Dims& shape) {
  Dim count = 1;
  for (const Dim& dim : shape) count = count * dim;
  return count;
}

Access whole_access(const Dims& shape) { return broadcast_access(shape, shape); }

Copy whole_copy(int operand, const Dims& shape) {
  Copy copy;
  copy.operand = operand;
  copy.extents = shape;
  copy.from = whole_access(shape);
  copy.to = copy.from;
  return copy;
}

Copy fill_copy(double value, const Dims& shape, int output) {
  Copy copy;
  copy.output = output;
  copy.operand = Copy::kFill;
  copy.extents = shape;
  copy.to = whole_access(shape);
  copy.fill = value;
  return copy;
}

DType element_dtype(const Type& type) { return is_packed(type.dtype) ? DType::kF32 : type.dtype; }

Dims per_axis(const NodeView& node, std::string_view name, std::size_t rank,
              std::int64_t fallback) {
  const Dims& listed = node.attrs.dims(name);
  if (listed.empty()) return Dims(rank, Dim(fallback));
  require(listed.size() == rank, "{}: {} lists {} values for {} axes", node.op.name, name,
          listed.size(), rank);
  return listed;
}

std::vector<std::int64_t> numbers_per_axis(const NodeView& node, std::string_view name,
                                           std::size_t rank, std::int64_t fallback) {
  const auto values = constant_shape(per_axis(node, name, rank, fallback));
  require(values.has_value(), "{}: {} {} must not depend on sizes", node.op.name, name,
          to_string(node.attrs.dims(name)));
  return *values;
}

Value filled(Graph& graph, const Type& type, double value) {
  return graph.add("constant", {},
                   {{"value", value}, {"dtype", type.dtype}, {"shape", type.shape}});
}

Value size_scalar(Graph& graph, const Dim& size, DType dtype) {
  if (size.is_constant()) {
    return graph.constant(static_cast<double>(size.constant_part()), dtype);
  }
  return graph.add("size_value", {}, {{"size", Dims{size}}, {"dtype", dtype}});
}

NodeCopy::NodeCopy(const GradientView& node) {
  const Node& self = node.graph.nodes[static_cast<std::size_t>(node.node)];
  op = self.op;
  attrs = self.attrs;
  for (const Value& input : self.inputs) types.push_back(node.type(input));
}

}  // namespace lamina
