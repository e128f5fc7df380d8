// Rules: which regions of a subprogram to fuse, and which tiles to try.
#include "search/candidates.h"

#include <algorithm>
#include <cmath>

#include "graph/op_def.h"

namespace lamina::search {
namespace {

const Dims& root_shape(const Graph& program) {
  return program.type(program.outputs[0].value).shape;
}

// The largest value a dimension takes, for choosing tiles.
std::int64_t typical(const Graph& program, const Dim& dim) {
  Sizes sizes;
  for (const SizeRange& range : program.sizes)
    sizes[range.name] = std::min(range.max, std::int64_t{512});
  return dim.evaluate(sizes);
}

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

std::int64_t count_tasks(const Graph& program, const Tiling& tiling) {
  std::int64_t tasks = 1;
  const Dims& shape = root_shape(program);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (tiling.tile[i] == 0) continue;
    tasks *= (typical(program, shape[i]) + tiling.tile[i] - 1) / tiling.tile[i];
  }
  return tasks;
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

std::vector<Tiling> tilings_of(const Graph& program, const Limits& limits) {
  std::vector<Tiling> tilings;
  if (has_softmax_between_products(program)) {
    tilings = attention_tilings(program);
  } else if (has_op(program, "matmul")) {
    tilings = product_tilings(program);
  } else {
    tilings = row_tilings(program);
  }
  // Tilings that keep every thread busy come first; the order within is the rules' preference.
  std::stable_partition(tilings.begin(), tilings.end(), [&](const Tiling& tiling) {
    return count_tasks(program, tiling) >= 2 * limits.threads;
  });
  return tilings;
}

// The nodes that only feed products, not follow one: norms and other preparations of operands.
Region prologue(const Graph& program) {
  std::vector<bool> after(program.nodes.size(), false);
  Region region;
  for (const NodeId n : operator_nodes(program)) {
    const Node& node = program.nodes[static_cast<std::size_t>(n)];
    bool follows = node.op->name == "matmul";
    for (const Value& input : node.inputs) {
      follows = follows || after[static_cast<std::size_t>(input.node)];
    }
    after[static_cast<std::size_t>(n)] = follows;
    if (!follows) region.nodes.push_back(n);
  }
  return region;
}

// What is left of a program without a region.
Region without(const Graph& program, const Region& region) {
  Region rest;
  for (const NodeId n : operator_nodes(program)) {
    if (!std::binary_search(region.nodes.begin(), region.nodes.end(), n)) rest.nodes.push_back(n);
  }
  return rest;
}

void add_whole(const Graph& program, const Limits& limits, std::vector<Recipe>& recipes) {
  const Region all{operator_nodes(program)};
  std::size_t added = 0;
  for (const Tiling& tiling : tilings_of(cut(program, all), limits)) {
    if (added == limits.candidates) break;
    if (!tile_program(program, tiling)) continue;
    recipes.push_back({{{all, tiling}}});
    ++added;
  }
}

// Preparations of operands in a block of their own, the products in another.
void add_split(const Graph& program, const Limits& limits, std::vector<Recipe>& recipes) {
  const Region before = prologue(program);
  const Region rest = without(program, before);
  if (before.nodes.empty() || rest.nodes.empty()) return;
  if (!is_convex(program, before) || !is_convex(program, rest)) return;
  const Graph first = cut(program, before);
  const Graph second = cut(program, rest);
  std::optional<Tiling> first_tiling;
  for (const Tiling& tiling : tilings_of(first, limits)) {
    if (!tile_program(first, tiling)) continue;
    first_tiling = tiling;
    break;
  }
  if (!first_tiling) return;
  std::size_t added = 0;
  for (const Tiling& tiling : tilings_of(second, limits)) {
    if (added == limits.candidates) break;
    if (!tile_program(second, tiling)) continue;
    recipes.push_back({{{before, *first_tiling}, {rest, tiling}}});
    ++added;
  }
}

std::int64_t shrink_tile(std::int64_t tile, const Dim& full, const Dim& small) {
  if (tile == 0 || full == small) return tile;
  const auto extent = small.constant();
  if (!extent) return tile;
  return std::max<std::int64_t>(1, (*extent + 1) / 2);
}

}  // namespace

std::string Recipe::describe() const {
  if (parts.empty()) return "unfused";
  std::string text;
  for (const Part& part : parts) {
    text += (text.empty() ? "fuse " : " + fuse ") + std::to_string(part.region.nodes.size()) +
            " nodes, " + to_string(part.tiling);
  }
  return text;
}

std::optional<Graph> apply(const Graph& prepared, const Recipe& recipe) {
  const std::vector<NodeId> known = operator_nodes(prepared);
  std::vector<Replacement> replacements;
  for (const Recipe::Part& part : recipe.parts) {
    // Recipes may come from a file.
    const std::vector<NodeId>& nodes = part.region.nodes;
    const bool fits = !nodes.empty() && std::is_sorted(nodes.begin(), nodes.end()) &&
                      std::includes(known.begin(), known.end(), nodes.begin(), nodes.end()) &&
                      is_convex(prepared, part.region);
    if (!fits) return std::nullopt;
    std::optional<Graph> block = tile_program(cut(prepared, part.region), part.tiling);
    if (!block) return std::nullopt;
    replacements.push_back({part.region, std::move(*block)});
  }
  return replace(prepared, replacements);
}

std::vector<Recipe> generate(const Graph& prepared, const Limits& limits) {
  std::vector<Recipe> recipes;
  add_whole(prepared, limits, recipes);
  add_split(prepared, limits, recipes);
  return recipes;
}

Recipe shrink(const Recipe& recipe, const Graph& prepared, const Graph& small) {
  Recipe result = recipe;
  for (Recipe::Part& part : result.parts) {
    const Graph full_part = cut(prepared, part.region);
    const Graph small_part = cut(small, part.region);
    const Dims& full_shape = root_shape(full_part);
    const Dims& small_shape = root_shape(small_part);
    for (std::size_t i = 0; i < part.tiling.tile.size(); ++i) {
      part.tiling.tile[i] = shrink_tile(part.tiling.tile[i], full_shape[i], small_shape[i]);
    }
    // Three iterations or so of a small loop: the extent is at most the small limit.
    if (part.tiling.loop_tile > 0) part.tiling.loop_tile = 2;
  }
  return result;
}

}  // namespace lamina::search
