// Work and traffic, node by node.
#include "search/partition_cost.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "exec/lower/lower.h"
#include "graph/op_def.h"
#include "graph/simplify.h"
#include "search/candidates.h"
#include "search/operator_graph.h"
#include "search/region.h"
#include "search/tile_choices.h"

namespace lamina::search {
namespace {

// Rows of a register tile of products: how many use a vector of weights while it is there.
constexpr double kTileRows = 5.0;
constexpr double kPanel = 16.0;     // columns that products compute at a time
constexpr double kOrdering = 32.0;  // work of an element that is sorted, in additions

double elements(const Dims& shape, const Sizes& sizes) {
  double count = 1.0;
  for (const Dim& dim : shape) count *= static_cast<double>(dim.evaluate(sizes));
  return count;
}

// Seconds at one binding of the named sizes.
class Times {
 public:
  Times(const Rates& rates, const Sizes& sizes) : rates_(rates), sizes_(sizes) {}

  double of_graph(const Graph& simple) const {
    double seconds = 0.0;
    for (const Node& node : simple.nodes) seconds += of_node(simple, node);
    return seconds;
  }

  double of_node(const Graph& graph, const Node& node) const {
    if (node.op->name == "input" || lower::view_offsets(graph, node)) return 0.0;
    if (is_composite(*node.op)) {
      std::vector<Type> types;
      return of_graph(simplify(node.op->expand(view(graph, node, types))));
    }
    if (node.op->name == "block") return of_block(graph, node);
    if (node.inputs.empty() || !node.graphs.empty()) return rates_.kernel_s;
    double moved = 0.0;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      moved += reading(graph, node.inputs[i]) * share_read(graph, node, i);
    }
    for (const Type& type : node.types) moved += writing(type);
    return rates_.kernel_s + in_parallel(work(graph, node), moved);
  }

 private:
  double bytes(const Type& type) const {
    return elements(type.shape, sizes_) * static_cast<double>(traits(type.dtype).block_bytes);
  }

  // What is small enough stays in the caches between two kernels or tasks.
  double rate(double size) const {
    if (size <= rates_.near_bytes * rates_.core.threads) return rates_.near_bytes_per_s;
    return size <= rates_.far_bytes ? rates_.far_bytes_per_s : rates_.core.bytes_per_s;
  }

  double writing(const Type& type) const { return bytes(type) / rate(bytes(type)); }

  // Weights are read once a run, and come from memory.
  double reading(const Graph& graph, Value value) const {
    const Input* input = graph.input(value.node);
    const double size = bytes(graph.type(value));
    const bool weight = input != nullptr && input->role == Role::kWeight;
    return size / (weight ? rates_.core.bytes_per_s : rate(size));
  }

  // A gather reads of its table what it gives.
  double share_read(const Graph& graph, const Node& node, std::size_t operand) const {
    if (node.op->name != "gather" || operand != 0) return 1.0;
    return std::min(1.0, bytes(node.types[0]) / std::max(1.0, bytes(graph.type(node.inputs[0]))));
  }

  // Of one core, with the operands at hand.
  double work(const Graph& graph, const Node& node) const {
    const OpDef& op = *node.op;
    const double results = elements(node.types[0].shape, sizes_);
    if (op.kind == Kind::kElementwise) {
      return results * element_seconds(rates_.core, op.name);
    }
    if (op.order_form != nullptr) {
      const double ordered = elements(graph.type(node.inputs[0]).shape, sizes_);
      return kOrdering * ordered / rates_.core.elements_per_s;
    }
    if (op.loop_form == nullptr) return results / rates_.core.elements_per_s;
    std::vector<Type> types;
    const LoopForm form = op.loop_form(view(graph, node, types));
    const double points = elements(form.extents, sizes_);
    if (op.kind != Kind::kContract) return points / rates_.core.elements_per_s;
    return product(points, node.types[0].shape,
                   static_cast<double>(traits(types.back().dtype).block_bytes));
  }

  // Columns are computed in whole panels, and every few rows stream the weights through once.
  double product(double points, const Dims& shape, double element_bytes) const {
    const auto extent = [&](std::size_t from_end) {
      return shape.size() < from_end
                 ? 1.0
                 : std::max(1.0,
                            static_cast<double>(shape[shape.size() - from_end].evaluate(sizes_)));
    };
    const double padded = std::ceil(extent(1) / kPanel) * kPanel / extent(1);
    const double passes = std::ceil(extent(2) / kTileRows) / extent(2);
    return points * padded *
           std::max(2.0 / rates_.core.flops_per_s,
                    passes * element_bytes / rates_.near_bytes_per_s);
  }

  double in_parallel(double work_s, double traffic_s) const {
    return std::max(work_s, traffic_s) / rates_.core.threads;
  }

  double of_block(const Graph& graph, const Node& node) const;

  const Rates& rates_;
  const Sizes& sizes_;
};

// How often the nodes of a block run, and how much of its nominal size a tile has on average:
// tiles at the end of an axis are shorter, and one tile may be larger than the axis.
class BlockRuns {
 public:
  BlockRuns(const Graph& graph, const Node& node, const Sizes& sizes)
      : block_(node.graphs[0]),
        tasks_(elements(node.attrs.dims("grid"), sizes)),
        trips_(elements(node.attrs.dims("loop"), sizes)),
        counts_(node.attrs.dims("grid").size(), 1.0),
        shares_(counts_.size() + 1, 1.0),
        varies_(block_.nodes.size(), false),
        cuts_(block_.nodes.size(), std::vector<bool>(shares_.size(), false)) {
    for (std::size_t g = 0; g < counts_.size(); ++g) {
      counts_[g] = static_cast<double>(node.attrs.dims("grid")[g].evaluate(sizes));
    }
    for (std::size_t n = 0; n < block_.nodes.size(); ++n) {
      const Node& inner = block_.nodes[n];
      if (inner.op->name == "load") {
        set_load(graph, node, n, sizes);
        continue;
      }
      const Input* input = block_.input(static_cast<NodeId>(n));
      varies_[n] = input != nullptr && input->role == Role::kState;
      for (const Value& v : inner.inputs) {
        const auto from = static_cast<std::size_t>(v.node);
        varies_[n] = varies_[n] || varies_[from];
        for (std::size_t c = 0; c < shares_.size(); ++c) {
          cuts_[n][c] = cuts_[n][c] || cuts_[from][c];
        }
      }
      if (inner.op->name == "after") varies_[n] = false;
    }
  }

  double tasks() const { return tasks_; }
  double trips() const { return trips_; }

  // How much more than the average the largest task has to do.
  double largest_task() const {
    double ratio = 1.0;
    for (std::size_t c = 0; c + 1 < shares_.size(); ++c) {
      if (counts_[c] > 1.0) ratio /= shares_[c];
    }
    return ratio;
  }

  // Runs of node n, those on shorter tiles counted as parts.
  double of(std::size_t n) const {
    double runs = tasks_ * (varies_[n] ? trips_ : 1.0);
    for (std::size_t c = 0; c < shares_.size(); ++c) runs *= cuts_[n][c] ? shares_[c] : 1.0;
    return runs;
  }

 private:
  void set_load(const Graph& graph, const Node& node, std::size_t n, const Sizes& sizes) {
    const Attrs& attrs = block_.nodes[n].attrs;
    const NodeId input = block_.nodes[n].inputs[0].node;
    std::size_t number = 0;
    while (block_.inputs[number].node != input) ++number;
    const Dims& shape = graph.type(node.inputs[number]).shape;
    const Dims& tile = attrs.dims("tile");
    const auto cut = [&](std::size_t c, std::int64_t axis, const Dim& count) {
      if (axis < 0) return;
      const auto a = static_cast<std::size_t>(axis);
      const auto whole = static_cast<double>(shape[a].evaluate(sizes));
      shares_[c] =
          whole /
          std::max(1.0, static_cast<double>(count.evaluate(sizes) * tile[a].evaluate(sizes)));
      cuts_[n][c] = true;
    };
    const std::vector<std::int64_t> grid = attrs.integers("grid");
    for (std::size_t g = 0; g < grid.size() && g + 1 < shares_.size(); ++g) {
      cut(g, grid[g], node.attrs.dims("grid")[g]);
    }
    cut(shares_.size() - 1, attrs.integer("loop"), node.attrs.dims("loop")[0]);
    varies_[n] = attrs.integer("loop") >= 0;
  }

  const Graph& block_;
  double tasks_;
  double trips_;
  std::vector<double> counts_;           // of tasks, per grid dimension
  std::vector<double> shares_;           // per grid dimension, then of the loop
  std::vector<bool> varies_;             // per node: from one iteration to the next
  std::vector<std::vector<bool>> cuts_;  // per node: which cuts its operands have
};

// A load that only gathers read, as what they take slices from: they say how much of it is read.
bool is_table(const Graph& block, NodeId load) {
  for (const Node& node : block.nodes) {
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      if (node.inputs[k].node == load && (node.op->name != "gather" || k != 0)) return false;
    }
  }
  return true;
}

double Times::of_block(const Graph& graph, const Node& node) const {
  const Graph& block = node.graphs[0];
  const BlockRuns runs(graph, node, sizes_);
  std::vector<double> loaded(block.nodes.size(), 0.0);  // by input node
  double work_s = 0.0;
  for (std::size_t n = 0; n < block.nodes.size(); ++n) {
    const Node& inner = block.nodes[n];
    const std::string_view name = inner.op->name;
    if (name == "load") {
      if (is_table(block, static_cast<NodeId>(n))) continue;
      loaded[static_cast<std::size_t>(inner.inputs[0].node)] += runs.of(n) * bytes(inner.types[0]);
      continue;
    }
    if (name == "gather") {
      const Node& table = block.node(inner.inputs[0]);
      loaded[static_cast<std::size_t>(table.inputs[0].node)] += runs.of(n) * bytes(inner.types[0]);
    }
    if (name != "store" && name != "after" && !inner.inputs.empty() &&
        !lower::view_offsets(block, inner)) {
      work_s += runs.of(n) * work(block, inner);
    }
  }
  double moved = 0.0;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const double once = bytes(graph.type(node.inputs[i]));
    const double all = loaded[static_cast<std::size_t>(block.inputs[i].node)];
    if (once <= 0.0) continue;
    moved += reading(graph, node.inputs[i]) * std::min(1.0, all / once);
    moved += std::max(0.0, all - once) / rate(once);
  }
  for (const Type& type : node.types) moved += writing(type);
  // A loop of fewer tasks than threads is split over them, for a second kernel (block_program.h).
  const double own = std::max(1.0, runs.tasks());
  const double parts = std::clamp(rates_.core.threads / own, 1.0, runs.trips());
  // The last round of tasks may leave threads idle, and no thread is done before the largest task.
  const double tasks = own * parts;
  const double rounds = std::ceil(tasks / rates_.core.threads);
  const double task_s = std::max(work_s, moved) / tasks;
  return (parts > 1.0 ? 2.0 : 1.0) * rates_.kernel_s + rounds * rates_.task_s +
         task_s * std::max(rounds, runs.largest_task());
}

// The first choices of the rules, and the one with the longest rows, where least is computed twice.
std::vector<Tiling> few_tilings(const Graph& region, int threads) {
  constexpr std::size_t kFew = 2;
  std::vector<Tiling> few = tilings_of(region, threads);
  if (few.size() <= kFew) return few;
  const auto columns = [](const Tiling& tiling) {
    const std::int64_t last = tiling.tile.empty() ? 0 : tiling.tile.back();
    return last == 0 ? std::numeric_limits<std::int64_t>::max() : last;
  };
  std::swap(few[kFew],
            *std::max_element(few.begin() + kFew, few.end(), [&](const Tiling& x, const Tiling& y) {
              return columns(x) < columns(y);
            }));
  few.resize(kFew + 1);
  return few;
}

// What can be tiled at all can be tiled by one of these.
std::vector<Tiling> plain_tilings(std::size_t rank) {
  Tiling rows;
  rows.tile.assign(rank, 1);
  if (rank > 0) rows.tile.back() = 0;
  Tiling patches = rows;
  if (rank >= 2) patches.tile.back() = 1;
  Tiling loops = rows;
  loops.loop_tile = 1;
  return {patches, rows, loops};
}

}  // namespace

Rates rates_of(const CpuMachine& machine, int threads) {
  Rates rates;
  rates.core = block_machine(machine, threads);
  rates.near_bytes_per_s = machine.l2_bytes_per_second;
  rates.near_bytes = static_cast<double>(machine.l2_bytes);
  rates.far_bytes_per_s = machine.l3_bytes_per_second;
  rates.far_bytes = static_cast<double>(machine.l3_bytes);
  rates.kernel_s = machine.launch_seconds;
  rates.task_s = machine.task_seconds;
  return rates;
}

CostModel::CostModel(const Graph& prepared, const Rates& rates, const std::vector<Sizes>& bindings)
    : rates_(rates), alone_(prepared.nodes.size(), 0.0) {
  const std::vector<bool> loaded = loaded_nodes(prepared);
  std::vector<std::vector<double>> nodes;
  std::vector<double> totals;
  for (const Sizes& sizes : bindings) {
    const Times times(rates, sizes);
    nodes.emplace_back();
    for (std::size_t n = 0; n < alone_.size(); ++n) {
      nodes.back().push_back(loaded[n] ? 0.0 : times.of_node(prepared, prepared.nodes[n]));
    }
    totals.push_back(std::accumulate(nodes.back().begin(), nodes.back().end(), 0.0));
  }
  for (std::size_t b = 0; b < bindings.size(); ++b) {
    const double weight =
        totals[b] > 0.0 ? totals.back() / (totals[b] * static_cast<double>(bindings.size())) : 0.0;
    bindings_.push_back({bindings[b], weight});
    for (std::size_t n = 0; n < alone_.size(); ++n) alone_[n] += weight * nodes[b][n];
  }
}

double CostModel::of(const Graph& simple) const {
  double seconds = 0.0;
  for (const Binding& binding : bindings_) {
    seconds += binding.weight * Times(rates_, binding.sizes).of_graph(simple);
  }
  return seconds;
}

std::optional<CostModel::Fused> CostModel::in_one_block(const Graph& program,
                                                        const Region& part) const {
  const Graph region = cut(program, part);
  if (region.outputs.empty()) return std::nullopt;
  std::optional<Fused> best;
  const auto consider = [&](const Tiling& tiling) {
    const std::optional<Graph> tiled = tile_program(region, tiling);
    if (!tiled) return;
    const double seconds = of(*tiled);
    if (!best || seconds < best->seconds) best = Fused{{{part, tiling}}, seconds};
  };
  for (const Tiling& tiling : few_tilings(region, rates_.core.threads)) consider(tiling);
  for (const Tiling& tiling : plain_tilings(root_shape(region).size())) {
    if (!best) consider(tiling);
  }
  return best;
}

std::optional<CostModel::Fused> CostModel::fused(const Graph& region) const {
  const std::vector<NodeId> nodes = operator_nodes(region);
  std::optional<Fused> whole = in_one_block(region, {nodes});
  if (!whole) return std::nullopt;
  const Region before = prologue(region);
  Region rest;
  std::set_difference(nodes.begin(), nodes.end(), before.nodes.begin(), before.nodes.end(),
                      std::back_inserter(rest.nodes));
  if (before.nodes.empty() || rest.nodes.empty()) return whole;
  std::optional<Fused> first = in_one_block(region, before);
  const std::optional<Fused> second = in_one_block(region, rest);
  if (!first || !second || first->seconds + second->seconds >= whole->seconds) return whole;
  first->blocks.push_back(second->blocks[0]);
  first->seconds += second->seconds;
  return first;
}

}  // namespace lamina::search
