// load: inside a block graph, the tile of an input that a grid point and loop iteration see.
//
// grid[d] is the axis that grid dimension d cuts (-1: none), loop the axis that the loop cuts
// (-1: none), tile the shape of a full tile. An axis cut by both is cut by the grid first. Tiles at
// the end of an axis may be shorter; loop iterations whose tile is empty are skipped.
#include "base/check.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Dims& tile = node.attrs.dims("tile");
  require(tile.size() == node.inputs[0].shape.size(), "load: a tile {} of a tensor {}",
          to_string(tile), to_string(node.inputs[0].shape));
  return {{node.inputs[0].dtype, tile, {}}};
}

}  // namespace

OpDef load() {
  return {.name = "load",
          .kind = Kind::kRegion,
          .attrs = {{"grid", AttrKind::kDims, {}, true},
                    {"loop", AttrKind::kInteger, std::int64_t{-1}},
                    {"tile", AttrKind::kDims, {}, true}},
          .infer = infer};
}

}  // namespace lamina::ops
