// The parts of the interpreter that do not depend on the number type.
#include "graph/interpret.h"

#include <algorithm>

namespace lamina {

Attrs bind_attrs(const Attrs& attrs, const Sizes& sizes) {
  Attrs bound = attrs;
  for (const auto& [name, value] : attrs) {
    const auto* dims = std::get_if<Dims>(&value);
    if (dims == nullptr || constant_shape(*dims)) continue;
    const Shape values = evaluate(*dims, sizes);
    bound.set(name, Dims(values.begin(), values.end()));
  }
  return bound;
}

TileRange tile_range(const Attrs& attrs, const Shape& full, const Shape& tile,
                     std::span<const std::int64_t> point, std::int64_t iteration,
                     std::int64_t loop) {
  const std::vector<std::int64_t> grid = attrs.integers("grid");
  const std::int64_t loop_axis = attrs.has("loop") ? attrs.integer("loop") : -1;
  TileRange range{Shape(full.size(), 0), full};
  for (std::size_t axis = 0; axis < full.size(); ++axis) {
    std::int64_t tiles = 0;  // how many tiles before this one
    bool mapped = false;
    for (std::size_t d = 0; d < grid.size(); ++d) {
      if (grid[d] != static_cast<std::int64_t>(axis)) continue;
      mapped = true;
      tiles = point[d];
    }
    if (loop_axis == static_cast<std::int64_t>(axis)) {
      tiles = tiles * loop + iteration;
      mapped = true;
    }
    if (!mapped) continue;
    range.start[axis] = std::min(full[axis], tiles * tile[axis]);
    range.length[axis] = std::min(tile[axis], full[axis] - range.start[axis]);
  }
  return range;
}

std::vector<bool> after_loop(const Graph& block) {
  std::vector<bool> after(block.nodes.size(), false);
  for (std::size_t n = 0; n < block.nodes.size(); ++n) {
    const Node& node = block.nodes[n];
    after[n] = node.op->name == "after" ||
               std::any_of(node.inputs.begin(), node.inputs.end(),
                           [&](const Value& v) { return after[static_cast<std::size_t>(v.node)]; });
  }
  return after;
}

}  // namespace lamina
