// Groups and bias of convolutions.
#include "graph/convolution.h"

#include "base/check.h"

namespace lamina {

void check_filters(std::string_view op, const Dim& filters, const Dim& groups) {
  require(groups.constant_part() > 0, "{}: {} groups", op, groups.to_string());
  require(!filters.is_constant() || filters.constant_part() % groups.constant_part() == 0,
          "{}: {} filters cannot be shared out to {} groups", op, filters.to_string(),
          groups.to_string());
}

void check_bias(const NodeView& node, const Dim& channels) {
  if (node.inputs.size() < 3) return;
  require(node.inputs[2].shape == Dims{channels}, "{}: a bias {} for {} output channels",
          node.op.name, to_string(node.inputs[2].shape), channels.to_string());
}

Value split_axis(Graph& graph, Value x, std::size_t axis, const Dim& groups) {
  Dims shape = graph.type(x).shape;
  shape[axis] = floor_div(shape[axis], groups);
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), groups);
  return graph.add("reshape", {x}, {{"shape", shape}});
}

Value add_channel_bias(Graph& graph, Value y, std::span<const Value> inputs) {
  if (inputs.size() < 3) return y;
  Dims shape(graph.type(y).shape.size() - 1, 1);
  shape[0] = graph.type(inputs[2]).shape[0];
  return graph.add("add", {y, graph.add("reshape", {inputs[2]}, {{"shape", shape}})});
}

}  // namespace lamina
