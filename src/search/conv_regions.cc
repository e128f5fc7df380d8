// Regions grow forward from a convolution, and are cut back to one output.
#include "search/conv_regions.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "graph/op_def.h"
#include "graph/spread.h"

namespace lamina::search {
namespace {

constexpr std::size_t kMostNodes = 48;

class ConvolutionRegions {
 public:
  explicit ConvolutionRegions(const Graph& graph) : graph_(graph), taken_(graph.nodes.size()) {}

  std::vector<Region> run() {
    std::vector<Region> regions;
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const auto id = static_cast<NodeId>(n);
      if (!is_seed(node(id))) continue;
      Region region = with_one_output(followers(id));
      if (region.nodes.size() < 2) continue;
      for (const NodeId member : region.nodes) taken_[static_cast<std::size_t>(member)] = true;
      regions.push_back(std::move(region));
    }
    return regions;
  }

 private:
  const Node& node(NodeId id) const { return graph_.nodes[static_cast<std::size_t>(id)]; }

  bool is_f32(Value value) const { return graph_.type(value).dtype == DType::kF32; }

  bool is_seed(const Node& node) const {
    if (node.op->name != "conv_last" || !is_f32(node.inputs[0])) return false;
    const Input* filters = graph_.input(node.inputs[1].node);
    return filters != nullptr && filters->role == Role::kWeight && is_f32(node.inputs[1]);
  }

  // The convolution and all that could be applied to its sums. Values that depend on them but are
  // no part of the region are out of reach for the rest of it.
  Region followers(NodeId seed) const {
    Region region{{seed}};
    std::vector<bool> inside(graph_.nodes.size()), beyond(graph_.nodes.size());
    inside[static_cast<std::size_t>(seed)] = true;
    for (auto n = static_cast<std::size_t>(seed) + 1; n < graph_.nodes.size(); ++n) {
      const auto any = [&](const std::vector<bool>& set) {
        return std::any_of(graph_.nodes[n].inputs.begin(), graph_.nodes[n].inputs.end(),
                           [&](Value v) { return set[static_cast<std::size_t>(v.node)]; });
      };
      const bool depends = any(inside), late = any(beyond);
      if (!depends && !late) continue;
      const auto id = static_cast<NodeId>(n);
      if (!late && region.nodes.size() < kMostNodes && fits(id, seed)) {
        inside[n] = true;
        region.nodes.push_back(id);
      } else {
        beyond[n] = true;
      }
    }
    return region;
  }

  bool fits(NodeId id, NodeId seed) const {
    const Node& node = this->node(id);
    const Dims& shape = this->node(seed).types[0].shape;
    return !taken_[static_cast<std::size_t>(id)] && node.op->kind == Kind::kElementwise &&
           node.op->scalar.real != nullptr && node.types.size() == 1 && is_f32({id, 0}) &&
           node.types[0].shape == shape &&
           std::all_of(node.inputs.begin(), node.inputs.end(), [&](Value value) {
             return is_f32(value) && spread(graph_.type(value).shape, shape).has_value();
           });
  }

  // As many nodes of the region as leave one value to be read outside.
  Region with_one_output(Region region) const {
    while (region.nodes.size() > 1 && border(graph_, region).outputs.size() != 1) {
      region.nodes.pop_back();
    }
    return region;
  }

  const Graph& graph_;
  std::vector<bool> taken_;
};

// Rebuilds a region with smaller inputs: x [n, spatial..., c], filters [o, c or 1, window...], and
// what followers read of the result's shape or of one number per filter.
class SmallInstance {
 public:
  explicit SmallInstance(const Graph& from) : from_(from) {}

  std::optional<Graph> build() {
    const auto conv = std::find_if(from_.nodes.begin(), from_.nodes.end(),
                                   [](const Node& node) { return node.op->name == "conv_last"; });
    if (conv == from_.nodes.end()) return std::nullopt;
    const NodeId id = static_cast<NodeId>(conv - from_.nodes.begin());
    shrink_operands(*conv);
    small_.name = from_.name;
    for (const Input& input : from_.inputs) add_input(input, conv->types[0].shape);
    for (std::size_t n = 0; n < from_.nodes.size(); ++n) {
      const Node& node = from_.nodes[n];
      if (node.op->name == "input") continue;
      std::vector<Value> inputs;
      for (const Value& value : node.inputs) inputs.push_back(values_.at(value.node));
      values_[static_cast<NodeId>(n)] = small_.add(node.op->name, inputs, node.attrs, node.name);
      if (static_cast<NodeId>(n) == id && !fits_) return std::nullopt;
    }
    for (const Output& output : from_.outputs) {
      small_.add_output(output.name, values_.at(output.value.node));
    }
    return std::move(small_);
  }

 private:
  static constexpr std::int64_t kChannels = 3, kFilters = 4, kImages = 2;

  static Dim at_most(const Dim& dim, std::int64_t most) {
    const auto value = dim.constant();
    return value ? Dim(std::min(*value, most)) : Dim(most);
  }

  void shrink_operands(const Node& conv) {
    Dims x = from_.type(conv.inputs[0]).shape, w = from_.type(conv.inputs[1]).shape;
    const auto entry = [&](std::string_view list, std::size_t i) {
      const auto values = conv.attrs.integers(list);
      return values.empty() ? std::int64_t{1} : values[i];
    };
    x[0] = at_most(x[0], kImages);
    for (std::size_t i = 0; i + 2 < w.size(); ++i) {
      const Dim reach = (w[2 + i] - Dim(1)) * Dim(entry("dilations", i)) + Dim(1);
      x[1 + i] = small_extent(x[1 + i], reach, entry("strides", i));
    }
    const bool depthwise = conv.attrs.flag("depthwise");
    x.back() = at_most(x.back(), kChannels);
    w[0] = depthwise ? x.back() : at_most(w[0], kFilters);
    if (!depthwise) w[1] = x.back();
    shapes_ = {{conv.inputs[0].node, x}, {conv.inputs[1].node, w}};
    std::vector<Type> types = {from_.type(conv.inputs[0]), from_.type(conv.inputs[1])};
    types[0].shape = x;
    types[1].shape = w;
    result_ = conv.op->infer({*conv.op, types, conv.attrs, {}})[0].shape;
  }

  void add_input(const Input& input, const Dims& result) {
    const Node& node = from_.nodes[static_cast<std::size_t>(input.node)];
    Type type = node.types[0];
    const auto known = shapes_.find(input.node);
    if (known != shapes_.end()) {
      type.shape = known->second;
    } else if (spread(type.shape, result) == Spread::kFull) {
      type.shape = result_;
    } else if (spread(type.shape, result) == Spread::kPerColumn) {
      type.shape.back() = result_.back();
    } else {
      fits_ = fits_ && spread(type.shape, result) == Spread::kSingle;
    }
    values_[input.node] = small_.add_input(node.name, type, input.role);
  }

  const Graph& from_;
  Graph small_;
  std::map<NodeId, Dims> shapes_;  // of the operands
  Dims result_;                    // shape of the small result
  std::map<NodeId, Value> values_;
  bool fits_ = true;
};

}  // namespace

Dim small_extent(const Dim& extent, const Dim& reach, std::int64_t stride) {
  const Dim small = reach + Dim(2 * stride);
  const auto wanted = small.constant(), most = extent.constant();
  return wanted && most ? Dim(std::min(*wanted, *most)) : small;
}

std::optional<Graph> small_convolution(const Graph& region) {
  try {
    return SmallInstance(region).build();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    return std::nullopt;
  }
}

std::vector<Region> convolution_regions(const Graph& prepared) {
  return ConvolutionRegions(prepared).run();
}

}  // namespace lamina::search
