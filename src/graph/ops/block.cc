// block: a block graph run at every point of `grid`, with a sequential loop of `loop` iterations.
//
// The inner graph's inputs are the node's inputs (whole tensors); load cuts tiles from them, state
// inputs carry values from one iteration to the next, after() reads them when the loop has ended,
// store puts the results in place (Mirage, arXiv:2405.05751, section 2; docs/formats.md).
#include "base/check.h"
#include "graph/interpret.h"
#include "graph/regions.h"

namespace lamina::ops {
namespace {

// Whole tensors are read by load only, which cuts what a task sees of them.
void check_reads(const Graph& inner) {
  for (const Node& node : inner.nodes) {
    const bool loads = node.op->name == "load";
    for (const Value& value : node.inputs) {
      const Input* input = inner.input(value.node);
      const bool whole = input != nullptr && input->role != Role::kState;
      require(loads == whole, "block: '{}' ({}) reads '{}'; loads read inputs, and only they do",
              node.name, node.op->name, inner.node(value).name);
    }
  }
}

// Loads and stores say of every dimension of the grid what it cuts.
void check_maps(const Graph& inner, std::size_t grid) {
  for (const Node& node : inner.nodes) {
    if (node.op->name != "load" && node.op->name != "store") continue;
    const std::size_t given = node.attrs.dims("grid").size();
    require(given == grid, "block: '{}' ({}) maps {} grid dimensions of {}", node.name,
            node.op->name, given, grid);
  }
}

// The next state is known before the loop ends, and so is what an iteration stores.
void check_updates(const Graph& inner) {
  const std::vector<bool> after = after_loop(inner);
  for (std::size_t n = 0; n < inner.nodes.size(); ++n) {
    const Node& node = inner.nodes[n];
    require(node.op->name != "store" || !after[n] || node.attrs.integer("loop") < 0,
            "block: '{}' stores in every iteration what follows the loop", node.name);
  }
  for (const Update& update : inner.updates) {
    require(!after[static_cast<std::size_t>(update.next.node)],
            "block: '{}' is updated with a value that follows the loop",
            inner.nodes[static_cast<std::size_t>(update.state)].name);
  }
}

std::vector<Type> infer(const NodeView& node) {
  require(node.graphs.size() == 1, "block: expected one inner graph, got {}", node.graphs.size());
  const Graph& inner = node.graphs[0];
  check_inner_inputs("block", inner, node.inputs);
  check_reads(inner);
  check_maps(inner, node.attrs.dims("grid").size());
  check_updates(inner);
  for (const Output& output : inner.outputs) {
    require(inner.node(output.value).op->name == "store", "block: output '{}' is not a store",
            output.name);
  }
  return output_types(inner);
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
