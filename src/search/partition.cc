// Greedy growth of regions from their most expensive node.
#include "search/partition.h"

#include <algorithm>

#include "graph/op_def.h"
#include "search/tiling.h"

namespace lamina::search {
namespace {

// A program that can be tiled at all can be tiled by one of these.
bool can_tile(const Graph& graph, const Region& region) {
  const Graph program = cut(graph, region);
  if (program.outputs.empty()) return false;
  const Dims& shape = program.type(program.outputs[0].value).shape;
  Tiling whole_rows;
  whole_rows.tile.assign(shape.size(), 1);
  if (!shape.empty()) whole_rows.tile.back() = 0;
  Tiling patches = whole_rows;
  if (shape.size() >= 2) patches.tile.back() = 1;
  Tiling loops = whole_rows;
  loops.loop_tile = 1;
  return tile_program(program, patches) || tile_program(program, whole_rows) ||
         tile_program(program, loops);
}

bool is_tileable_op(const Node& node) {
  const OpDef& op = *node.op;
  if (node.types.size() != 1) return false;
  return op.kind == Kind::kElementwise || op.name == "matmul" || op.name == "softmax" ||
         (op.kind == Kind::kReduce && op.loop_form != nullptr && node.attrs.has("axes"));
}

class Grower {
 public:
  explicit Grower(const Graph& graph)
      : graph_(graph), uses_(count_uses(graph)), taken_(graph.nodes.size(), false) {}

  std::vector<Region> run() {
    seed([&](NodeId n) { return is_attention_product(n); });
    seed([&](NodeId n) { return op(n) == "matmul"; });
    seed([&](NodeId n) { return is_tileable_op(node(n)); });
    std::sort(regions_.begin(), regions_.end(),
              [](const Region& a, const Region& b) { return a.nodes < b.nodes; });
    return regions_;
  }

 private:
  const Node& node(NodeId n) const { return graph_.nodes[static_cast<std::size_t>(n)]; }
  std::string_view op(NodeId n) const { return node(n).op->name; }

  bool is_attention_product(NodeId n) const {
    return op(n) == "matmul" && op(node(n).inputs[0].node) == "softmax" &&
           uses_[static_cast<std::size_t>(node(n).inputs[0].node)] == 1;
  }

  template <class Wanted>
  void seed(Wanted wanted) {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const auto n = static_cast<NodeId>(i);
      if (taken_[i] || !wanted(n)) continue;
      Region region{{n}};
      if (is_attention_product(n)) take_scores(region, n);
      if (!can_tile(graph_, region)) continue;
      grow(region);
      if (region.nodes.size() < 2) continue;  // nothing to fuse
      for (const NodeId member : region.nodes) taken_[static_cast<std::size_t>(member)] = true;
      regions_.push_back(region);
    }
  }

  // The softmax and what leads from the product of queries and keys to it.
  void take_scores(Region& region, NodeId product) {
    NodeId at = node(product).inputs[0].node;
    while (is_tileable_op(node(at)) && !taken_[static_cast<std::size_t>(at)]) {
      insert(region, at);
      if (op(at) == "matmul") break;
      NodeId next = -1;
      for (const Value& input : node(at).inputs) {
        if (uses_[static_cast<std::size_t>(input.node)] == 1 && is_tileable_op(node(input.node)) &&
            graph_.type(input).shape.size() == node(at).types[0].shape.size()) {
          next = input.node;
        }
      }
      if (next < 0) break;
      at = next;
    }
  }

  static void insert(Region& region, NodeId n) {
    const auto at = std::lower_bound(region.nodes.begin(), region.nodes.end(), n);
    if (at == region.nodes.end() || *at != n) region.nodes.insert(at, n);
  }

  // Adds neighbours for as long as the region stays convex and can be tiled.
  void grow(Region& region) {
    bool grown = true;
    while (grown && region.nodes.size() < kMaxNodes) {
      grown = false;
      for (const NodeId next : neighbours(region)) {
        Region larger = region;
        insert(larger, next);
        if (!worth_fusing(region, next) || !is_convex(graph_, larger)) continue;
        if (!can_tile(graph_, larger)) continue;
        region = std::move(larger);
        grown = true;
      }
    }
  }

  // A block computes every product once per task that needs it. Two products share a block when
  // they give tiles of the same output (gates, sums), or when one is so small beside the other
  // that computing it again in every task costs little (low-rank adapters).
  bool worth_fusing(const Region& region, NodeId next) const {
    if (op(next) != "matmul") return true;
    constexpr double kSmall = 0.125;
    bool same_tiles = true;
    double largest = 0.0;
    for (const NodeId member : region.nodes) {
      if (op(member) != "matmul") continue;
      same_tiles = same_tiles && node(member).types[0].shape == node(next).types[0].shape &&
                   !depends(member, next) && !depends(next, member);
      largest = std::max(largest, product_points(member));
    }
    const double points = product_points(next);
    return same_tiles || points <= kSmall * largest || largest <= kSmall * points;
  }

  bool depends(NodeId on, NodeId n) const {
    std::vector<bool> reached(graph_.nodes.size(), false);
    reached[static_cast<std::size_t>(on)] = true;
    for (NodeId i = on + 1; i <= n; ++i) {
      for (const Value& input : node(i).inputs) {
        if (reached[static_cast<std::size_t>(input.node)])
          reached[static_cast<std::size_t>(i)] = true;
      }
    }
    return reached[static_cast<std::size_t>(n)];
  }

  // Points of the loop nest of a product, with named sizes at a typical value.
  double product_points(NodeId n) const {
    Sizes sizes;
    for (const SizeRange& range : graph_.sizes) {
      sizes[range.name] = std::min<std::int64_t>(range.max, 128);
    }
    std::vector<Type> types;
    const LoopForm form = node(n).op->loop_form(view(graph_, node(n), types));
    double points = 1.0;
    for (const Dim& dim : form.extents) points *= static_cast<double>(dim.evaluate(sizes));
    return points;
  }

  // Consumers first (they need what the region has at hand), then producers that nobody else
  // reads: recomputing those inside costs nothing outside.
  std::vector<NodeId> neighbours(const Region& region) const {
    std::vector<NodeId> found;
    const auto offer = [&](NodeId n) {
      const bool inside = std::binary_search(region.nodes.begin(), region.nodes.end(), n);
      const bool free = !taken_[static_cast<std::size_t>(n)] && is_tileable_op(node(n));
      if (!inside && free && std::find(found.begin(), found.end(), n) == found.end()) {
        found.push_back(n);
      }
    };
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (const Value& input : graph_.nodes[n].inputs) {
        if (std::binary_search(region.nodes.begin(), region.nodes.end(), input.node)) {
          offer(static_cast<NodeId>(n));
        }
      }
    }
    for (const NodeId n : region.nodes) {
      for (const Value& input : node(n).inputs) {
        if (only_read_inside(region, input.node)) offer(input.node);
      }
    }
    return found;
  }

  bool only_read_inside(const Region& region, NodeId n) const {
    int inside = 0;
    for (const NodeId member : region.nodes) {
      for (const Value& input : node(member).inputs) inside += input.node == n ? 1 : 0;
    }
    return inside == uses_[static_cast<std::size_t>(n)];
  }

  static constexpr std::size_t kMaxNodes = 48;

  const Graph& graph_;
  std::vector<int> uses_;
  std::vector<bool> taken_;
  std::vector<Region> regions_;
};

}  // namespace

std::vector<Region> partition(const Graph& prepared) { return Grower(prepared).run(); }

}  // namespace lamina::search
