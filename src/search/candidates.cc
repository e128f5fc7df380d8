// Rules: which regions of a subprogram to fuse, and which tiles to try.
#include "search/candidates.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "graph/op_def.h"
#include "graph/simplify.h"

namespace lamina::search {
namespace {

const Dims& root_shape(const Graph& program) {
  return program.type(program.outputs[0].value).shape;
}

constexpr std::int64_t kSmallestLoop = 64;  // shorter axes are not worth a loop

// Large values of the named sizes, for choosing tiles.
Sizes sizes_of(const Graph& program) {
  Sizes sizes;
  for (const SizeRange& range : program.sizes)
    sizes[range.name] = std::min(range.max, std::int64_t{512});
  return sizes;
}

std::int64_t typical(const Graph& program, const Dim& dim) {
  return dim.evaluate(sizes_of(program));
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
    recipes.push_back({{{before, *first_tiling, {}}, {rest, tiling, {}}}});
    ++added;
  }
}

// Axes of which products and reductions take sums, and sizes of their tiles.
std::vector<Dim> loop_extents(const Graph& program) {
  std::vector<Dim> extents;
  for (const Node& node : program.nodes) {
    if (node.op->name != "matmul" && node.op->kind != Kind::kReduce) continue;
    for (const Dim& extent : program.type(node.inputs[0]).shape) {
      const bool kept = std::find(node.types[0].shape.begin(), node.types[0].shape.end(), extent) !=
                        node.types[0].shape.end();
      if (!kept && typical(program, extent) > kSmallestLoop &&
          std::find(extents.begin(), extents.end(), extent) == extents.end()) {
        extents.push_back(extent);
      }
    }
  }
  return extents;
}

std::vector<std::size_t> cut_axes(const Tiling& tiling) {
  std::vector<std::size_t> axes;
  for (std::size_t i = 0; i < tiling.tile.size(); ++i) {
    if (tiling.tile[i] != 0) axes.push_back(i);
  }
  return axes;
}

// Searches the spaces of all grids that the rules propose and of all loops.
class BlockSearch {
 public:
  BlockSearch(const Graph& program, const Limits& limits)
      : program_(program), limits_(limits), region_{operator_nodes(program)} {}

  Candidates run() {
    const Graph simple = simplify(program_);
    const std::size_t nodes = operator_nodes(simple).size();
    if (nodes > kMostNodes || !BlockSpace::accepts(simple)) return {};
    space_limits_.operators = static_cast<int>(nodes) + kDetour;
    std::vector<Tiling> tilings = tilings_of(program_, limits_);
    for (Tiling& tiling : tilings) tiling.loop_tile = 0;
    std::vector<std::optional<Dim>> loops = {std::nullopt};
    for (const Dim& extent : loop_extents(simple)) loops.emplace_back(extent);
    std::vector<std::vector<std::size_t>> grids;
    for (const Tiling& tiling : tilings) {
      if (std::find(grids.begin(), grids.end(), cut_axes(tiling)) == grids.end()) {
        grids.push_back(cut_axes(tiling));
      }
    }
    for (const auto& grid : grids) {
      for (const auto& loop : loops) {
        if (out_of_time()) break;
        explore(simple, {grid, loop}, tilings);
      }
    }
    return finish();
  }

 private:
  static constexpr std::size_t kMostNodes = 14;
  static constexpr int kDetour = 4;  // operators more than the program has
  static constexpr std::size_t kWays = 2;

  bool out_of_time() const {
    return elapsed() > limits_.seconds || (limits_.stop && limits_.stop());
  }
  double elapsed() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  void explore(const Graph& simple, const BlockShape& shape, const std::vector<Tiling>& tilings) {
    BlockSpace space(simple, shape, space_limits_);
    space.run([this] { return out_of_time(); });
    result_.statistics.add(space.statistics());
    if (!space.complete()) return;
    for (Tiling tiling : tilings) {
      if (cut_axes(tiling) != shape.grid) continue;
      for (const std::int64_t loop_tile : loop_tiles(shape)) {
        tiling.loop_tile = loop_tile;
        for (PricedProgram& priced :
             cheapest(space, tiling, machine(), sizes_of(program_), kWays)) {
          found_.push_back({std::move(priced), tiling});
        }
      }
    }
  }

  std::vector<std::int64_t> loop_tiles(const BlockShape& shape) const {
    if (!shape.loop) return {0};
    std::vector<std::int64_t> tiles;
    for (const std::int64_t tile : {64, 128, 256, 512}) {
      if (tile < typical(program_, *shape.loop)) tiles.push_back(tile);
    }
    return tiles;
  }

  BlockMachine machine() const {
    BlockMachine machine;
    machine.threads = limits_.threads;
    return machine;
  }

  Candidates finish() {
    std::stable_sort(found_.begin(), found_.end(), [](const Found& a, const Found& b) {
      return a.priced.seconds < b.priced.seconds;
    });
    for (Found& found : found_) {
      if (result_.recipes.size() == limits_.candidates) break;
      result_.recipes.push_back({{{region_, found.tiling, std::move(found.priced.program)}}});
    }
    result_.seconds = elapsed();
    return std::move(result_);
  }

  struct Found {
    PricedProgram priced;
    Tiling tiling;
  };

  const Graph& program_;
  const Limits& limits_;
  Region region_;
  SpaceLimits space_limits_;
  std::vector<Found> found_;
  Candidates result_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Candidates search_blocks(const Graph& program, const Limits& limits) {
  if (operator_nodes(program).empty()) return {};
  return BlockSearch(program, limits).run();
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
