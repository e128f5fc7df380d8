// The proof of the change of layout, node by node.
#include "search/channels_last.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "base/check.h"
#include "graph/op_def.h"
#include "graph/shaping.h"
#include "search/conv_regions.h"
#include "search/region.h"

namespace lamina::search {
namespace {

constexpr std::int64_t kSmallExtent = 8;  // dimensions of what is proved

// A concatenation, or a gather along an axis that stays as it is, of tensors with short axes.
std::optional<Graph> short_axes(const Graph& piece) {
  const Node& node = piece.node(piece.outputs[0].value);
  const bool gathers = node.op->name == "gather";
  if (!gathers && node.op->name != "concat") return std::nullopt;
  const auto rank = static_cast<std::int64_t>(node.types[0].shape.size());
  const std::int64_t axis = (node.attrs.integer("axis") + rank) % rank;
  Graph small;
  std::map<Value, Value> inputs;
  for (const Input& input : piece.inputs) {
    Type type = piece.type({input.node, 0});
    const bool indices = !traits(type.dtype).is_float;
    for (std::int64_t i = 0; i < rank && !indices; ++i) {
      Dim& dim = type.shape[static_cast<std::size_t>(i)];
      if (!gathers || i != axis) dim = std::min<std::int64_t>(dim.constant().value_or(3), i + 1);
    }
    inputs[{input.node, 0}] = small.add_input(piece.node({input.node, 0}).name, type, input.role);
    if (indices) small.inputs.back().value = input.value;
  }
  std::vector<Value> operands;
  for (const Value& value : node.inputs) operands.push_back(inputs.at(value));
  small.add_output("y", small.add(node.op->name, operands, node.attrs, node.name));
  return small;
}

bool is_small(const Graph& graph) {
  constexpr std::int64_t kMostElements = 1 << 14;
  return std::all_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    const std::optional<std::int64_t> count = element_count(node.types[0].shape).constant();
    return count && *count <= kMostElements;
  });
}

// A convolution or pooling alone, with the same windows over few channels and positions.
std::optional<Graph> small_windows(const Graph& piece) {
  const Node& node = piece.node(piece.outputs[0].value);
  const bool pools = node.attrs.has("window"), transposed = node.op->name == "conv_transpose";
  if (!pools && !transposed && node.op->name != "conv") return std::nullopt;
  Attrs attrs = node.attrs;
  Dims x = piece.type(node.inputs[0]).shape;
  const Dims window = pools ? attrs.dims("window") : [&] {
    const Dims& w = piece.type(node.inputs[1]).shape;
    return Dims(w.begin() + 2, w.end());
  }();
  const auto entry = [&](std::string_view list, std::size_t i) {
    return attrs.dims(list).empty() ? Dim(1) : attrs.dims(list)[i];
  };
  x[0] = 2;
  x[1] = 3;
  for (std::size_t i = 0; i < window.size(); ++i) {
    const Dim reach = (window[i] - Dim(1)) * entry("dilations", i) + Dim(1);
    x[2 + i] = small_extent(x[2 + i], reach, entry("strides", i).constant_part());
  }
  Graph small;
  std::vector<Value> inputs;
  const auto add = [&](Dims shape) {
    const Node& input = piece.node(node.inputs[inputs.size()]);
    inputs.push_back(small.add_input(input.name, {input.types[0].dtype, std::move(shape), {}},
                                     piece.input(node.inputs[inputs.size()].node)->role));
  };
  add(x);
  if (!pools) {
    const bool grouped = attrs.integer("groups") != 1;
    const Dim filters = grouped ? Dim(3) : Dim(4);
    if (grouped) attrs.set("groups", std::int64_t{3});
    Dims w = transposed ? Dims{3, filters} : Dims{filters, grouped ? Dim(1) : Dim(3)};
    w.insert(w.end(), window.begin(), window.end());
    add(w);
    if (node.inputs.size() > 2) add({filters});
  }
  small.add_output("y", small.add(node.op->name, inputs, attrs, node.name));
  return small;
}

// A moved node alone, and the same with channels last.
struct Step {
  Graph before;
  Graph after;
};

// Nothing where the node has no small instance, or is not moved there.
std::optional<Step> small_step(const Graph& piece, const std::vector<bool>& last,
                               const std::vector<bool>& constant) {
  std::optional<Graph> small = small_windows(piece);
  if (!small) small = short_axes(piece);
  if (!small) small = shrink_sizes(piece, kSmallExtent);
  if (!small && is_small(piece)) small = piece;
  if (!small) return std::nullopt;
  ChannelLayout layout(*small);
  for (std::size_t i = 0; i < last.size(); ++i) {
    if (last[i]) layout.arrives_last(small->inputs[i].node);
    if (constant[i]) layout.arrives_constant(small->inputs[i].node);
  }
  std::optional<ChannelsLast> changed = layout.run();
  if (!changed || changed->moved.size() != 1) return std::nullopt;
  return Step{std::move(*small), std::move(changed->graph)};
}

}  // namespace

Verdict prove_channels_last(const Graph& graph, const ChannelsLast& changed) {
  ChannelLayout layout(graph);
  layout.run();
  std::set<std::string> proved;
  std::optional<Verdict> weakest;
  for (const NodeId id : changed.moved) {
    const Region region{{id}};
    std::vector<bool> last, constant;
    for (const Value& value : border(graph, region).inputs) {
      last.push_back(layout.has_last(value));
      constant.push_back(layout.is_constant(value));
    }
    const std::optional<Step> step = small_step(cut(graph, region), last, constant);
    if (step && !proved.insert(structure_hash(step->before)).second) continue;
    Verdict verdict;
    if (step) {
      verdict = verify(step->before, step->after, {.shrink_witness = false});
    } else {
      verdict.reason =
          "'" + graph.nodes[static_cast<std::size_t>(id)].name + "' has no small instance";
    }
    const bool failed = verdict.outcome != Outcome::kEquivalent;
    if (!weakest || failed || verdict.bits < weakest->bits) weakest = std::move(verdict);
    if (failed) return *weakest;
  }
  check(weakest.has_value(), "no node was moved");
  // Any of the steps could have been accepted wrongly.
  if (weakest->bits) *weakest->bits -= std::log2(static_cast<double>(proved.size()));
  return *weakest;
}

}  // namespace lamina::search
