// store: inside a block graph, writes a tile to its place in an output of shape `shape`.
// grid[d] is the output axis that grid dimension d cuts.
#include "base/check.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Dims& shape = node.attrs.dims("shape");
  require(shape.size() == node.inputs[0].shape.size(), "store: a tile {} into a tensor {}",
          to_string(node.inputs[0].shape), to_string(shape));
  return {{node.inputs[0].dtype, shape, {}}};
}

}  // namespace

OpDef store() {
  return {.name = "store",
          .kind = Kind::kRegion,
          .attrs = {{"grid", AttrKind::kDims, {}, true}, {"shape", AttrKind::kDims, {}, true}},
          .infer = infer};
}

}  // namespace lamina::ops
