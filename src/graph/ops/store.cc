// store: inside a block graph, writes a tile to its place in an output of shape `shape`.
// grid[d] is the output axis that grid dimension d cuts (-1: none), loop the axis that the loop
// cuts
// (-1: none): then every iteration stores its own tile, so that the output is the concatenation of
// what the iterations computed (the concatenation accumulator of Mirage, arXiv:2405.05751, section
// 2). An axis cut by both is cut by the grid first.
#include "base/check.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Dims& shape = node.attrs.dims("shape");
  require(shape.size() == node.inputs[0].shape.size(), "store: a tile {} into a tensor {}",
          to_string(node.inputs[0].shape), to_string(shape));
  const std::int64_t loop = node.attrs.integer("loop");
  require(loop >= -1 && loop < std::ssize(shape), "store: the loop cuts axis {} of {}", loop,
          shape.size());
  return {{node.inputs[0].dtype, shape, {}}};
}

}  // namespace

OpDef store() {
  return {.name = "store",
          .kind = Kind::kRegion,
          .attrs = {{"grid", AttrKind::kDims, {}, true},
                    {"loop", AttrKind::kInteger, std::int64_t{-1}},
                    {"shape", AttrKind::kDims, {}, true}},
          .infer = infer};
}

}  // namespace lamina::ops
