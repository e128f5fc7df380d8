// Positions of extremes, and the gradient of an order.
#include "graph/ordering.h"

#include <string>

#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina {

std::vector<Type> infer_position(const NodeView& node) {
  Dims shape = node.inputs[0].shape;
  const int axis = resolve_axis(node.op.name, node.attrs.integer("axis"), shape.size());
  if (node.attrs.flag("keepdims")) {
    shape[static_cast<std::size_t>(axis)] = 1;
  } else {
    shape.erase(shape.begin() + axis);
  }
  return {{DType::kI64, shape, {}}};
}

OrderForm position_form(const NodeView& node, bool largest) {
  OrderForm form;
  form.axis = resolve_axis(node.op.name, node.attrs.integer("axis"), node.inputs[0].shape.size());
  form.count = 1;
  form.descending = largest;
  form.prefer_last = node.attrs.flag("select_last");
  form.values = false;
  form.positions = true;
  return form;
}

std::vector<Sample> position_samples() {
  return {{.inputs = {f32({3, 5})}, .attrs = {{"axis", 1}}, .differentiable = false},
          {.inputs = {{DType::kI32, {6, 2}, {}}},
           .attrs = {{"keepdims", true}, {"select_last", true}},
           .integer_ranges = {{0, 2}},
           .differentiable = false}};
}

std::vector<Value> order_gradient(const GradientView& node) {
  if (node.grads[0].node < 0) return {Value{}};
  const NodeCopy self(node);
  const Value zeros = filled(node.graph, self.types[0], 0.0);
  return {node.graph.add("scatter_elements", {zeros, node.output(1), node.grads[0]},
                         {{"axis", self.attrs.integer("axis")}, {"combine", std::string("add")}})};
}

}  // namespace lamina
