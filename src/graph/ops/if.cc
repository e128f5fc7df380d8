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

}  // namespace

OpDef if_() { return {.name = "if", .kind = Kind::kRegion, .max_inputs = -1, .infer = infer}; }

}  // namespace lamina::ops
