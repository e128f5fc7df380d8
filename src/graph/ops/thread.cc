// thread: an inner graph of level thread, computed in registers, element by element or tile by
// tile. Its meaning is that of its nodes, one after the other. `tile` says how many elements are in
// registers at once (of a product: rows by columns), `lanes` on how many one instruction works.
#include "base/check.h"
#include "graph/regions.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  require(node.graphs.size() == 1, "thread: expected one inner graph, got {}", node.graphs.size());
  check_inner_inputs("thread", node.graphs[0], node.inputs);
  return output_types(node.graphs[0]);
}

}  // namespace

OpDef thread() {
  return {
      .name = "thread",
      .kind = Kind::kRegion,
      .min_inputs = 0,
      .max_inputs = -1,
      .attrs = {{"tile", AttrKind::kDims, Dims{}}, {"lanes", AttrKind::kInteger, std::int64_t{1}}},
      .infer = infer,
      .expand = [](const NodeView& node) { return node.graphs[0]; }};
}

}  // namespace lamina::ops
