// Deriving tiles and building block graphs.
#include "search/tiling.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "graph/op_def.h"
#include "graph/simplify.h"
#include "search/gathers.h"
#include "search/region.h"

namespace lamina::search {
namespace {

using AxisMap = std::vector<int>;

bool is_op(const Graph& graph, Value value, std::string_view name) {
  return graph.node(value).op->name == name;
}

// The nodes of an online softmax: scores -> softmax -> product with `values`.
struct Attention {
  NodeId softmax = -1;
  NodeId product = -1;
};

std::optional<Attention> find_attention(const Graph& graph) {
  const std::vector<int> uses = count_uses(graph);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (node.op->name != "matmul" || !is_op(graph, node.inputs[0], "softmax")) continue;
    const NodeId softmax = node.inputs[0].node;
    const auto rank = static_cast<std::int64_t>(graph.type({softmax, 0}).shape.size());
    const std::int64_t axis = graph.nodes[static_cast<std::size_t>(softmax)].attrs.integer("axis");
    if ((axis == -1 || axis == rank - 1) && uses[static_cast<std::size_t>(softmax)] == 1) {
      return Attention{softmax, static_cast<NodeId>(n)};
    }
  }
  return std::nullopt;
}

// How the axes of one input of a node are cut, given how its output is.
class Backward {
 public:
  Backward(const Graph& graph, const std::optional<Attention>& attention)
      : graph_(graph), attention_(attention) {}

  std::optional<AxisMap> input_map(NodeId id, std::size_t k, const AxisMap& out) const {
    const Node& node = graph_.nodes[static_cast<std::size_t>(id)];
    const OpDef& op = *node.op;
    if (op.kind == Kind::kElementwise) return elementwise(node, k, out);
    if (op.name == "matmul") return matmul(id, node, k, out);
    if (op.name == "transpose") return transpose(node, out);
    if (op.name == "softmax") return softmax(id, out);
    if (op.name == "conv_last") return uncut(node, k, out);
    if (is_block_gather(graph_, node)) return gather_cuts(graph_, node, k, out);
    if (op.kind == Kind::kReduce && node.attrs.has("axes")) return reduce(node, out);
    return std::nullopt;
  }

 private:
  const Dims& shape(Value v) const { return graph_.type(v).shape; }

  AxisMap elementwise(const Node& node, std::size_t k, const AxisMap& out) const {
    const Dims& in = shape(node.inputs[k]);
    const Dims& result = node.types[0].shape;
    const std::size_t skip = result.size() - in.size();
    AxisMap map(in.size(), kWhole);
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (in[i] == result[skip + i]) map[i] = out[skip + i];
    }
    return map;
  }

  std::optional<AxisMap> matmul(NodeId id, const Node& node, std::size_t k,
                                const AxisMap& out) const {
    const Dims& in = shape(node.inputs[k]);
    if (shape(node.inputs[0]).size() < 2 || shape(node.inputs[1]).size() < 2) return std::nullopt;
    const Dims& result = node.types[0].shape;
    AxisMap map(in.size(), kWhole);
    const std::size_t skip = result.size() - in.size();
    for (std::size_t i = 0; i + 2 < in.size(); ++i) {
      if (in[i] == result[skip + i]) map[i] = out[skip + i];
    }
    const int inner = attention_ && attention_->product == id ? kLoop : kWhole;
    map[in.size() - 2] = k == 0 ? out[out.size() - 2] : inner;
    map[in.size() - 1] = k == 0 ? inner : out[out.size() - 1];
    return map;
  }

  AxisMap transpose(const Node& node, const AxisMap& out) const {
    const std::size_t rank = out.size();
    std::vector<std::int64_t> axes = node.attrs.integers("axes");
    if (axes.empty()) {
      for (std::size_t i = rank; i-- > 0;) axes.push_back(static_cast<std::int64_t>(i));
    }
    AxisMap map(rank, kWhole);
    for (std::size_t i = 0; i < rank; ++i) {
      map[static_cast<std::size_t>(axes[i] < 0 ? axes[i] + static_cast<std::int64_t>(rank)
                                               : axes[i])] = out[i];
    }
    return map;
  }

  // Windows overlap, so that tiles of the result would need overlapping tiles of the operand.
  std::optional<AxisMap> uncut(const Node& node, std::size_t k, const AxisMap& out) const {
    if (std::count(out.begin(), out.end(), kWhole) != static_cast<std::ptrdiff_t>(out.size())) {
      return std::nullopt;
    }
    return AxisMap(shape(node.inputs[k]).size(), kWhole);
  }

  std::optional<AxisMap> softmax(NodeId id, const AxisMap& out) const {
    if (!attention_ || attention_->softmax != id) return std::nullopt;
    return out;
  }

  AxisMap reduce(const Node& node, const AxisMap& out) const {
    const std::size_t rank = shape(node.inputs[0]).size();
    const bool keep = node.attrs.flag("keepdims");
    std::vector<bool> reduced(rank, node.attrs.dims("axes").empty());
    for (const std::int64_t axis : node.attrs.integers("axes")) {
      reduced[static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis)] =
          true;
    }
    AxisMap map(rank, kWhole);
    std::size_t from = 0;
    for (std::size_t i = 0; i < rank; ++i) {
      if (!reduced[i]) {
        map[i] = out[from++];
      } else if (keep) {
        ++from;
      }
    }
    return map;
  }

  const Graph& graph_;
  const std::optional<Attention>& attention_;
};

class Tiler {
 public:
  Tiler(Graph graph, const Tiling& tiling) : graph_(std::move(graph)), tiling_(tiling) {
    if (tiling.loop_tile > 0) attention_ = find_attention(graph_);
  }

  std::optional<Graph> run() {
    if (tiling_.loop_tile > 0 && !attention_) return std::nullopt;
    if (!choose_grid() || !map_values()) return std::nullopt;
    if (!build()) return std::nullopt;
    return finish();
  }

 private:
  bool choose_grid() {
    const Dims& shape = graph_.type(graph_.outputs[0].value).shape;
    if (tiling_.tile.size() != shape.size()) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (tiling_.tile[i] == 0) continue;
      root_.push_back({shape[i], tiling_.tile[i]});
      grid_.push_back(ceil_div(shape[i], tiling_.tile[i]));
    }
    for (const Output& output : graph_.outputs) {
      if (is_op(graph_, output.value, "input")) return false;
      AxisMap map = output_map(output.value);
      if (map.empty() && !graph_.type(output.value).shape.empty()) return false;
      if (!set_map(output.value, map)) return false;
    }
    return true;
  }

  // Every output is cut along the same axes as the first; every task writes its own part.
  AxisMap output_map(Value value) const {
    const Dims& first = graph_.type(graph_.outputs[0].value).shape;
    const Dims& shape = graph_.type(value).shape;
    if (shape.size() != first.size()) return {};
    AxisMap map(shape.size(), kWhole);
    int next = 0;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (tiling_.tile[i] == 0) continue;
      if (shape[i] != first[i]) return {};
      map[i] = next++;
    }
    return map;
  }

  bool set_map(Value value, const AxisMap& map) {
    const Dims& shape = graph_.type(value).shape;
    for (std::size_t i = 0; i < map.size(); ++i) {
      if (map[i] >= 0 && root_[static_cast<std::size_t>(map[i])].extent != shape[i]) return false;
      if (map[i] == kLoop && !set_loop(shape[i])) return false;
    }
    const auto [entry, fresh] = maps_.try_emplace(value, map);
    return fresh || entry->second == map;
  }

  bool set_loop(const Dim& extent) {
    if (loop_extent_ == Dim(0)) loop_extent_ = extent;
    return loop_extent_ == extent;
  }

  bool map_values() {
    const Backward backward(graph_, attention_);
    for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
      const Node& node = graph_.nodes[n];
      const auto id = static_cast<NodeId>(n);
      if (node.op->name == "input") continue;
      if (node.types.size() != 1) return false;
      const auto found = maps_.find({id, 0});
      if (found == maps_.end()) return false;
      const AxisMap out = found->second;
      for (std::size_t k = 0; k < node.inputs.size(); ++k) {
        const std::optional<AxisMap> map = backward.input_map(id, k, out);
        if (!map) return false;
        if (is_op(graph_, node.inputs[k], "input")) continue;
        if (!set_map(node.inputs[k], *map)) return false;
      }
      if (node.inputs.empty() && !node.types[0].shape.empty()) return false;
    }
    return true;
  }

  bool build() {
    block_.name = graph_.name;
    block_.level = Level::kBlock;
    block_.sizes = graph_.sizes;
    for (const Input& input : graph_.inputs) {
      const Node& node = graph_.nodes[static_cast<std::size_t>(input.node)];
      inputs_[input.node] = block_.add_input(node.name, node.types[0], input.role);
    }
    const Backward backward(graph_, attention_);
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      const auto id = static_cast<NodeId>(n);
      if (node.op->name == "input" || (attention_ && attention_->softmax == id)) continue;
      std::vector<Value> operands;
      for (std::size_t k = 0; k < node.inputs.size(); ++k) {
        const std::optional<Value> operand = operand_tile(backward, id, k);
        if (!operand) return false;
        operands.push_back(*operand);
      }
      if (attention_ && attention_->product == id) {
        values_[{id, 0}] = online_softmax(node, operands);
      } else {
        values_[{id, 0}] = block_.add(node.op->name, operands, node.attrs, node.name);
      }
    }
    return true;
  }

  std::optional<Value> operand_tile(const Backward& backward, NodeId id, std::size_t k) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(id)];
    Value from = node.inputs[k];
    // The product of an online softmax reads the scores in place of their softmax.
    if (attention_ && attention_->product == id && k == 0) {
      from = graph_.nodes[static_cast<std::size_t>(attention_->softmax)].inputs[0];
    }
    if (!is_op(graph_, from, "input")) return values_.at(from);
    const std::optional<AxisMap> map = backward.input_map(id, k, maps_.at({id, 0}));
    return map ? load(from, *map) : std::nullopt;
  }

  std::optional<Value> load(Value from, const AxisMap& map) {
    const auto key = std::make_pair(from.node, map);
    const auto found = loads_.find(key);
    if (found != loads_.end()) return found->second;
    const Dims& shape = graph_.type(from).shape;
    Dims grid(std::max<std::size_t>(1, root_.size()), -1);
    Dims tile = shape;
    std::int64_t loop = -1;
    for (std::size_t i = 0; i < map.size(); ++i) {
      const auto axis = static_cast<std::int64_t>(i);
      if (map[i] >= 0) {
        const Cut& cut = root_[static_cast<std::size_t>(map[i])];
        if (cut.extent != shape[i]) return std::nullopt;
        grid[static_cast<std::size_t>(map[i])] = axis;
        tile[i] = cut.tile;
      } else if (map[i] == kLoop) {
        if (!set_loop(shape[i])) return std::nullopt;
        loop = axis;
        tile[i] = tiling_.loop_tile;
      }
    }
    const Value value = block_.add("load", {inputs_.at(from.node)},
                                   {{"grid", grid}, {"loop", loop}, {"tile", tile}});
    return loads_[key] = value;
  }

  // One step of the online softmax (Milakov and Gimelshein, arXiv:1805.02867): a running maximum,
  // a running sum and a running product, rescaled when the maximum grows.
  Value online_softmax(const Node& product, const std::vector<Value>& operands) {
    const Value scores = operands[0];
    const Dims last{-1};
    Type row{DType::kF32, block_.type(scores).shape, {}};
    row.shape.back() = 1;
    Type tile{DType::kF32, row.shape, {}};
    tile.shape.back() = block_.type(operands[1]).shape.back();
    const Value peak = block_.add_state("peak", row, kLowestScore);
    const Value total = block_.add_state("total", row, 0.0);
    const Value sum = block_.add_state("sum", tile, 0.0);
    const Attrs over_last{{"axes", last}, {"keepdims", true}};
    const Value next_peak =
        block_.add("max", {peak, block_.add("reduce_max", {scores}, over_last)});
    const Value shrink = block_.add("exp", {block_.add("sub", {peak, next_peak})});
    const Value weights = block_.add("exp", {block_.add("sub", {scores, next_peak})});
    const Value row_sum = block_.add("sum", {weights}, over_last);
    const Value part = block_.add("matmul", {weights, operands[1]});
    block_.add_update(peak, next_peak);
    block_.add_update(total, block_.add("add", {block_.add("mul", {total, shrink}), row_sum}));
    block_.add_update(sum, block_.add("add", {block_.add("mul", {sum, shrink}), part}));
    const Value result =
        block_.add("div", {block_.add("after", {sum}), block_.add("after", {total})});
    if (product.types[0].dtype == DType::kF32) return result;
    return block_.add("cast", {result}, {{"dtype", product.types[0].dtype}});
  }

  std::optional<Graph> finish() {
    Graph out;
    out.name = graph_.name;
    out.sizes = graph_.sizes;
    std::vector<Value> inputs;
    for (const Input& input : graph_.inputs) {
      const Node& node = graph_.nodes[static_cast<std::size_t>(input.node)];
      inputs.push_back(out.add_input(node.name, node.types[0], input.role));
      out.inputs.back().value = input.value;
    }
    for (const Output& output : graph_.outputs) {
      Dims grid(std::max<std::size_t>(1, root_.size()), -1);
      const AxisMap& map = maps_.at(output.value);
      for (std::size_t i = 0; i < map.size(); ++i) {
        if (map[i] >= 0) grid[static_cast<std::size_t>(map[i])] = static_cast<std::int64_t>(i);
      }
      const Value stored = block_.add("store", {values_.at(output.value)},
                                      {{"grid", grid}, {"shape", graph_.type(output.value).shape}});
      block_.add_output(output.name, stored);
    }
    for (Input& input : block_.inputs) {
      if (input.role != Role::kState) input.role = Role::kInput;
    }
    const Dim loop = tiling_.loop_tile > 0 ? ceil_div(loop_extent_, tiling_.loop_tile) : Dim(1);
    const Value node =
        out.add("block", inputs, {{"grid", grid_.empty() ? Dims{1} : grid_}, {"loop", Dims{loop}}},
                graph_.name, {block_});
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      out.add_output(graph_.outputs[i].name, {node.node, static_cast<std::int32_t>(i)});
    }
    return out;
  }

  struct Cut {
    Dim extent;
    std::int64_t tile;
  };

  Graph graph_;
  const Tiling& tiling_;
  std::optional<Attention> attention_;
  std::vector<Cut> root_;
  Dims grid_;
  Dim loop_extent_ = 0;
  std::map<Value, AxisMap> maps_;
  Graph block_;
  std::map<NodeId, Value> inputs_;
  std::map<Value, Value> values_;
  std::map<std::pair<NodeId, AxisMap>, Value> loads_;
};

}  // namespace

std::string to_string(const Tiling& tiling) {
  std::string text = "tile " + lamina::to_string(tiling.tile);
  if (tiling.loop_tile > 0) text += " loop " + std::to_string(tiling.loop_tile);
  return text;
}

Graph prepare(const Graph& program) {
  return simplify(program,
                  [](const OpDef& op) { return op.name != "softmax" && is_composite(op); });
}

bool has_softmax_between_products(const Graph& prepared) {
  return find_attention(prepared).has_value();
}

std::optional<Graph> tile_program(const Graph& prepared, const Tiling& tiling) {
  return tiling.loop_tile > 0 ? Tiler(prepared, tiling).run()
                              : Tiler(simplify(prepared), tiling).run();
}

}  // namespace lamina::search
