// Searching the spaces of all grids and loops.
#include "search/block_search.h"

#include <algorithm>
#include <chrono>

#include "graph/op_def.h"
#include "graph/simplify.h"
#include "search/tile_choices.h"

namespace lamina::search {
namespace {

constexpr std::int64_t kSmallestLoop = 64;  // shorter axes are not worth a loop

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
    std::vector<Tiling> tilings = tilings_of(program_, limits_.threads);
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
    BlockMachine machine = limits_.machine;
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

}  // namespace

Candidates search_blocks(const Graph& program, const Limits& limits) {
  if (operator_nodes(program).empty()) return {};
  return BlockSearch(program, limits).run();
}

}  // namespace lamina::search
