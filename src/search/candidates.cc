// Rules: which regions of a subprogram to fuse, and which tiles to try.
#include "search/candidates.h"

#include <algorithm>

#include "search/block_search.h"
#include "search/tile_choices.h"

namespace lamina::search {
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

namespace {

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
  for (const Tiling& tiling : tilings_of(cut(program, all), limits.threads)) {
    if (added == limits.candidates) break;
    if (!tile_program(program, tiling)) continue;
    recipes.push_back({{{all, tiling, {}}}});
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
  for (const Tiling& tiling : tilings_of(first, limits.threads)) {
    if (!tile_program(first, tiling)) continue;
    first_tiling = tiling;
    break;
  }
  if (!first_tiling) return;
  std::size_t added = 0;
  for (const Tiling& tiling : tilings_of(second, limits.threads)) {
    if (added == limits.candidates) break;
    if (!tile_program(second, tiling)) continue;
    recipes.push_back({{{before, *first_tiling, {}}, {rest, tiling, {}}}});
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
            " nodes, " + to_string(part.tiling) + (part.program ? ", searched" : "");
    if (part.program && part.program->split > 1) {
      text += ", loop in " + std::to_string(part.program->split) + " parts";
    }
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
    const Graph region = cut(prepared, part.region);
    std::optional<Graph> block = part.program ? to_graph(region, *part.program, part.tiling)
                                              : tile_program(region, part.tiling);
    if (!block) return std::nullopt;
    replacements.push_back({part.region, std::move(*block)});
  }
  return replace(prepared, replacements);
}

Candidates generate(const Graph& prepared, const Limits& limits) {
  Candidates candidates = search_blocks(prepared, limits);
  add_whole(prepared, limits, candidates.recipes);
  add_split(prepared, limits, candidates.recipes);
  return candidates;
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
