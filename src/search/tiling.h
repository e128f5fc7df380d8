// From a subprogram to a block graph: every value of the subprogram is cut into the tile that one
// task needs, by walking from the outputs to the inputs (Mirage's grid maps and loop maps,
// arXiv:2405.05751, section 2, derived instead of enumerated).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lamina/graph.h"

namespace lamina::search {

// What cuts an axis of a value: nothing, the loop, or a dimension of the grid (>= 0).
constexpr int kWhole = -1;
constexpr int kLoop = -2;

// The finite start of a running maximum: low enough to lose against every score, and finite, so
// that a tile whose scores are all -infinity (masked) does not give infinity - infinity.
constexpr double kLowestScore = -1e30;

// The size of a tile along each axis of the first output; 0: the whole axis.
struct Tiling {
  std::vector<std::int64_t> tile;
  // For programs with a softmax between two products: how many columns of the scores one
  // iteration of the loop sees (online softmax). 0: no loop.
  std::int64_t loop_tile = 0;

  bool operator==(const Tiling&) const = default;
};

std::string to_string(const Tiling& tiling);  // "tile [16, 256]", "tile [1, 64, 0] loop 128"

// The subprogram with composites expanded as far as tiling needs: what tile_program() works on.
// Means become sums times a constant, so that every operator has a meaning on tiles.
Graph prepare(const Graph& program);

// The subprogram as one block node, or nothing where it cannot be tiled so: an operator without a
// tile form (reshape, gather, ...), an axis that is reduced but cut, or a value that is needed in
// two different tiles.
std::optional<Graph> tile_program(const Graph& prepared, const Tiling& tiling);

// True when the subprogram has the form of attention: a product, a softmax over its columns, and a
// product with it on the left, so that loop_tile may be set.
bool has_softmax_between_products(const Graph& prepared);

}  // namespace lamina::search
