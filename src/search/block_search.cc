// Searching the spaces of all grids and loops.
#include "search/block_search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>

#include "base/thread_pool.h"
#include "graph/op_def.h"
#include "graph/simplify.h"
#include "search/block_space.h"
#include "search/cones.h"
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

// Subprograms of up to so many operators are enumerated whole. Of larger ones, and where the limits
// of a space were met before a program was found, parts are taken as they are (cones.h).
constexpr std::size_t kMostNodes = 12;
constexpr std::size_t kFewerNodes[] = {kMostNodes, 9, 6};
constexpr int kDetour = 4;  // operators more than the subprogram has
constexpr std::size_t kWays = 2;

// Searches the spaces of all grids that the rules propose and of all loops.
class BlockSearch {
 public:
  BlockSearch(const Graph& program, const Limits& limits)
      : program_(program),
        simple_(simplify(program)),
        limits_(limits),
        region_{operator_nodes(program)},
        tilings_(tilings_of(program, limits.threads)) {
    for (Tiling& tiling : tilings_) tiling.loop_tile = 0;
  }

  Candidates run() {
    std::size_t before = operator_nodes(simple_).size() + 1;
    for (const std::size_t most : kFewerNodes) {
      if (before > kMostNodes + 1 && most == kMostNodes) continue;
      const auto collapsed = collapse(simple_, most);
      if (!collapsed || !BlockSpace::accepts(collapsed->program)) break;
      const std::size_t nodes = operator_nodes(collapsed->program).size();
      if (nodes > most || nodes >= before) continue;
      before = nodes;
      explore_all(*collapsed, static_cast<int>(nodes) + kDetour);
      if (!found_.empty() || out_of_time()) break;
    }
    return finish();
  }

 private:
  struct Found {
    PricedProgram priced;
    Tiling tiling;
  };
  struct Explored {
    std::vector<Found> found;
    SpaceStatistics statistics;
  };

  bool out_of_time() {
    const std::lock_guard lock(stop_mutex_);
    return limits_.stop && limits_.stop();
  }
  double elapsed() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  // The spaces on all cores; results in the order of the shapes, so that they do not depend on it.
  void explore_all(const Collapsed& collapsed, int operators) {
    const std::vector<BlockShape> shapes = shapes_of(collapsed.program);
    std::vector<Explored> results(shapes.size());
    ThreadPool pool(std::min(usable_cores(), static_cast<int>(shapes.size())));
    pool.parallel_for(
        static_cast<std::int64_t>(shapes.size()), [&](std::int64_t begin, std::int64_t end, int) {
          for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
            if (!out_of_time()) results[i] = explore(collapsed, shapes[i], operators);
          }
        });
    for (Explored& result : results) {
      result_.statistics.add(result.statistics);
      std::move(result.found.begin(), result.found.end(), std::back_inserter(found_));
    }
  }

  std::vector<BlockShape> shapes_of(const Graph& searched) const {
    std::vector<std::optional<Dim>> loops = {std::nullopt};
    for (const Dim& extent : loop_extents(searched)) loops.emplace_back(extent);
    std::vector<BlockShape> shapes;
    for (const Tiling& tiling : tilings_) {
      for (const auto& loop : loops) {
        const BlockShape shape{cut_axes(tiling), loop};
        if (std::find(shapes.begin(), shapes.end(), shape) == shapes.end()) shapes.push_back(shape);
      }
    }
    return shapes;
  }

  Explored explore(const Collapsed& collapsed, const BlockShape& shape, int operators) {
    BlockSpace space(collapsed.program, shape, {.operators = operators});
    space.run([this] { return out_of_time(); });
    Explored result{{}, space.statistics()};
    if (!space.complete()) return result;
    for (Tiling tiling : tilings_) {
      if (cut_axes(tiling) != shape.grid) continue;
      for (const std::int64_t loop_tile : loop_tiles(shape)) {
        tiling.loop_tile = loop_tile;
        for (PricedProgram& priced :
             cheapest(space, tiling, machine(), sizes_of(program_), kWays)) {
          priced.program = restore(priced.program, collapsed, simple_);
          split(priced, tiling);
          result.found.push_back({std::move(priced), tiling});
        }
      }
    }
    return result;
  }

  // Where there are fewer tasks than threads: parts of the loop side by side, if that is predicted
  // to be faster, a second kernel included.
  void split(PricedProgram& priced, const Tiling& tiling) const {
    const std::int64_t tasks = count_tasks(program_, tiling);
    if (!priced.program.loops || tasks >= limits_.threads) return;
    const auto rounds = [&](std::int64_t count) {
      return std::ceil(static_cast<double>(count) / limits_.threads);
    };
    const double task = priced.seconds / rounds(tasks);
    BlockProgram best = priced.program;
    for (std::int64_t parts = 2; parts <= 2 * limits_.threads; parts *= 2) {
      const double seconds =
          task / static_cast<double>(parts) * rounds(tasks * parts) + limits_.machine.launch_s;
      BlockProgram program = priced.program;
      program.split = parts;
      if (seconds >= priced.seconds || !to_graph(simple_, program, tiling)) continue;
      priced.seconds = seconds;
      best = std::move(program);
    }
    priced.program = std::move(best);
  }

  // An iteration without products is short: only long tiles are worth one.
  std::vector<std::int64_t> loop_tiles(const BlockShape& shape) const {
    if (!shape.loop) return {0};
    const bool products = std::any_of(program_.nodes.begin(), program_.nodes.end(),
                                      [](const Node& node) { return node.op->name == "matmul"; });
    std::vector<std::int64_t> wanted = {64, 128, 256, 512};
    if (!products) wanted.insert(wanted.begin(), {4096, 16384});
    std::vector<std::int64_t> tiles;
    for (const std::int64_t tile : wanted) {
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

  const Graph& program_;
  const Graph simple_;
  const Limits& limits_;
  Region region_;
  std::vector<Tiling> tilings_;
  std::vector<Found> found_;
  Candidates result_;
  std::mutex stop_mutex_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Candidates search_blocks(const Graph& program, const Limits& limits) {
  if (operator_nodes(program).empty()) return {};
  return BlockSearch(program, limits).run();
}

}  // namespace lamina::search
