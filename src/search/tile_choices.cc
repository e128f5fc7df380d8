// Which tiles to try for a subprogram.
#include "search/tile_choices.h"

#include <algorithm>

#include "graph/op_def.h"
#include "search/region.h"

namespace lamina::search {
namespace {

bool has_op(const Graph& program, std::string_view name) {
  return std::any_of(program.nodes.begin(), program.nodes.end(),
                     [&](const Node& node) { return node.op->name == name; });
}

void push_unique(std::vector<std::int64_t>& list, std::int64_t tile) {
  if (std::find(list.begin(), list.end(), tile) == list.end()) list.push_back(tile);
}

// Tile sizes worth trying for an axis of `extent`, where 0 is the whole axis.
std::vector<std::int64_t> tiles_of(std::int64_t extent, std::vector<std::int64_t> wanted,
                                   std::int64_t whole_up_to) {
  std::vector<std::int64_t> tiles;
  for (const std::int64_t tile : wanted) {
    if (tile < extent) push_unique(tiles, tile);
  }
  if (extent <= whole_up_to || tiles.empty()) push_unique(tiles, 0);
  return tiles;
}

// Products: rows by columns, one batch entry at a time.
std::vector<Tiling> product_tilings(const Graph& program) {
  const Dims& shape = root_shape(program);
  if (shape.size() < 2) return {};
  const std::int64_t rows = typical(program, shape[shape.size() - 2]);
  const std::int64_t columns = typical(program, shape.back());
  std::vector<Tiling> tilings;
  for (const std::int64_t m : tiles_of(rows, {16, 32, 64, 128}, 32)) {
    for (const std::int64_t n : tiles_of(columns, {256, 128, 512, 64, 1024}, 512)) {
      Tiling tiling;
      tiling.tile.assign(shape.size(), 1);
      tiling.tile[shape.size() - 2] = m;
      tiling.tile.back() = n;
      tilings.push_back(tiling);
    }
  }
  return tilings;
}

// Attention: whole rows of the result, the keys in a loop.
std::vector<Tiling> attention_tilings(const Graph& program) {
  const Dims& shape = root_shape(program);
  if (shape.size() < 2) return {};
  const std::int64_t rows = typical(program, shape[shape.size() - 2]);
  std::vector<Tiling> tilings;
  for (const std::int64_t loop : {256, 128, 512, 64}) {
    for (const std::int64_t m : tiles_of(rows, {64, 32, 128, 16}, 64)) {
      Tiling tiling;
      tiling.tile.assign(shape.size(), 1);
      tiling.tile[shape.size() - 2] = m;
      tiling.tile.back() = 0;
      tiling.loop_tile = loop;
      tilings.push_back(tiling);
    }
  }
  return tilings;
}

// No product: runs of whole rows with about as many elements as fit in the nearest caches.
std::vector<Tiling> row_tilings(const Graph& program) {
  const Dims& shape = root_shape(program);
  std::vector<Tiling> tilings;
  if (shape.empty()) return {Tiling{}};
  for (const std::int64_t elements : {4096, 16384, 65536}) {
    Tiling tiling;
    tiling.tile.assign(shape.size(), 0);
    std::int64_t budget = elements;
    for (std::size_t i = shape.size(); i-- > 0;) {
      const std::int64_t extent = typical(program, shape[i]);
      const bool last = i + 1 == shape.size();
      if (extent <= budget || (last && shape.size() > 1)) {
        budget = std::max<std::int64_t>(1, budget / std::max<std::int64_t>(1, extent));
        continue;
      }
      tiling.tile[i] = std::max<std::int64_t>(1, budget);
      budget = 1;
    }
    if (std::find(tilings.begin(), tilings.end(), tiling) == tilings.end()) {
      tilings.push_back(tiling);
    }
  }
  return tilings;
}

}  // namespace

const Dims& root_shape(const Graph& program) {
  return program.type(program.outputs[0].value).shape;
}

Sizes sizes_of(const Graph& program) {
  Sizes sizes;
  for (const SizeRange& range : program.sizes)
    sizes[range.name] = std::min(range.max, std::int64_t{512});
  return sizes;
}

std::int64_t typical(const Graph& program, const Dim& dim) {
  return dim.evaluate(sizes_of(program));
}

std::int64_t count_tasks(const Graph& program, const Tiling& tiling) {
  std::int64_t tasks = 1;
  const Dims& shape = root_shape(program);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (tiling.tile[i] == 0) continue;
    tasks *= (typical(program, shape[i]) + tiling.tile[i] - 1) / tiling.tile[i];
  }
  return tasks;
}

std::vector<Tiling> tilings_of(const Graph& program, int threads) {
  std::vector<Tiling> tilings;
  // The device cuts convolutions itself: their windows overlap.
  if (has_op(program, "conv_last"))
    return {Tiling{std::vector<std::int64_t>(root_shape(program).size(), 0), 0}};
  if (has_softmax_between_products(program)) {
    tilings = attention_tilings(program);
  } else if (has_op(program, "matmul")) {
    tilings = product_tilings(program);
  } else {
    tilings = row_tilings(program);
  }
  // Tilings that keep every thread busy come first; the order within is the rules' preference.
  std::stable_partition(tilings.begin(), tilings.end(), [&](const Tiling& tiling) {
    return count_tasks(program, tiling) >= 2 * threads;
  });
  return tilings;
}

}  // namespace lamina::search
