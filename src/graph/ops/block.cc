// block: a block graph run at every point of `grid`, with a sequential loop of `loop` iterations.
//
// The inner graph's inputs are the node's inputs (whole tensors); load cuts tiles from them, state
// inputs carry values from one iteration to the next, after() reads them when the loop has ended,
// store puts the results in place (Mirage, arXiv:2405.05751, section 2; docs/formats.md).
#include "base/check.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  require(node.graphs.size() == 1, "block: expected one inner graph, got {}", node.graphs.size());
  const Graph& inner = node.graphs[0];
  std::size_t given = 0;
  for (const Input& input : inner.inputs) {
    if (input.role == Role::kState) continue;
    require(given < node.inputs.size(), "block: the inner graph has more inputs than the node");
    const Type& type = inner.nodes[static_cast<std::size_t>(input.node)].types[0];
    require(type == node.inputs[given], "block: input {} is {}, the inner graph expects {}", given,
            to_string(node.inputs[given]), to_string(type));
    ++given;
  }
  require(given == node.inputs.size(), "block: {} inputs for an inner graph of {}",
          node.inputs.size(), given);
  std::vector<Type> types;
  for (const Output& output : inner.outputs) {
    require(inner.node(output.value).op->name == "store", "block: output '{}' is not a store",
            output.name);
    types.push_back(inner.type(output.value));
  }
  return types;
}

}  // namespace

OpDef block() {
  return {.name = "block",
          .kind = Kind::kRegion,
          .min_inputs = 0,
          .max_inputs = -1,
          .attrs = {{"grid", AttrKind::kDims, {}, true}, {"loop", AttrKind::kDims, Dims{1}}},
          .infer = infer};
}

}  // namespace lamina::ops
