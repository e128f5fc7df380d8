// if: runs the first inner graph if the condition holds, else the second. Inputs: a bool scalar,
// then the inputs of both graphs, whose outputs have equal types.
#include "base/check.h"
#include "graph/regions.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  require(node.graphs.size() == 2, "if: expected two inner graphs, got {}", node.graphs.size());
  require(node.inputs[0].dtype == DType::kBool && node.inputs[0].shape.empty(),
          "if: the condition is {}, expected bool[]", to_string(node.inputs[0]));
  for (const Graph& branch : node.graphs) check_inner_inputs("if", branch, node.inputs.subspan(1));
  const std::vector<Type> yes = output_types(node.graphs[0]);
  const std::vector<Type> no = output_types(node.graphs[1]);
  require(yes.size() == no.size(), "if: {} outputs if true but {} if false", yes.size(), no.size());
  for (std::size_t i = 0; i < yes.size(); ++i) {
    require(yes[i] == no[i], "if: output {} is {} if true but {} if false", i, to_string(yes[i]),
            to_string(no[i]));
  }
  return yes;
}

// Another "if" on the same condition: each branch computes its own gradients.
std::vector<Value> gradient(const GradientView& node) {
  const Node self = node.graph.nodes[static_cast<std::size_t>(node.node)];
  std::vector<Value> inputs = self.inputs;
  std::vector<bool> arrived;
  for (const Value& grad : node.grads) {
    arrived.push_back(grad.node >= 0);
    if (arrived.back()) inputs.push_back(grad);
  }
  const Value result = node.graph.add(
      "if", inputs, {}, "",
      {inner_gradient(self.graphs[0], arrived), inner_gradient(self.graphs[1], arrived)});
  std::vector<Value> grads(self.inputs.size());
  std::int32_t next = 0;
  for (std::size_t i = 1; i < grads.size(); ++i) {
    if (traits(node.type(self.inputs[i]).dtype).is_float) grads[i] = {result.node, next++};
  }
  return grads;
}

}  // namespace

OpDef if_() {
  return {
      .name = "if", .kind = Kind::kRegion, .max_inputs = -1, .infer = infer, .gradient = gradient};
}

}  // namespace lamina::ops
