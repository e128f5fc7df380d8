// The change of layout, node by node.
#include "graph/channels_last.h"

#include <algorithm>
#include <array>
#include <string>

#include "graph/normalization.h"
#include "graph/op_def.h"
#include "graph/shaping.h"

namespace lamina {
namespace {

constexpr std::array<std::string_view, 4> kPoolings = {"max_pool", "sum_pool", "avg_pool",
                                                       "lp_pool"};
constexpr std::array<std::string_view, 4> kWindowLists = {"strides", "dilations", "pads_low",
                                                          "pads_high"};

bool all_are(const Dims& dims, std::int64_t value) {
  return std::all_of(dims.begin(), dims.end(), [&](const Dim& dim) { return dim == Dim(value); });
}

// Where axis `axis` of [n, c, spatial...] is in [n, spatial..., c].
std::int64_t moved(std::int64_t axis, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  if (axis < 0) axis += r;
  return axis == 0 ? 0 : axis == 1 ? r - 1 : axis - 1;
}

// A list of one entry per axis, in the order of the new layout.
Dims moved(const Dims& list) {
  Dims result(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    result[static_cast<std::size_t>(moved(static_cast<std::int64_t>(i), list.size()))] = list[i];
  }
  return result;
}

}  // namespace

std::optional<ChannelsLast> ChannelLayout::run() {
  to_.name = from_.name;
  to_.level = from_.level;
  to_.sizes = from_.sizes;
  for (const Input& input : from_.inputs) {
    const Node& node = from_.nodes[static_cast<std::size_t>(input.node)];
    plain_[{input.node, 0}] = to_.add_input(node.name, node.types[0], input.role);
    to_.inputs.back().value = input.value;
    to_.inputs.back().initial = input.initial;
    if (input.role == Role::kWeight) arrives_constant(input.node);
    if (arriving_.contains(input.node)) last({input.node, 0});
  }
  for (std::size_t n = 0; n < from_.nodes.size(); ++n) add(static_cast<NodeId>(n));
  for (const Output& output : from_.outputs) to_.add_output(output.name, plain(output.value));
  for (const Update& update : from_.updates) {
    to_.add_update(plain({update.state, 0}), plain(update.next));
  }
  if (!converted_ && arriving_.empty()) return std::nullopt;
  return ChannelsLast{std::move(to_), std::move(moved_)};
}

const Node& ChannelLayout::node(NodeId id) const {
  return from_.nodes[static_cast<std::size_t>(id)];
}

const Dims& ChannelLayout::shape(Value value) const { return from_.type(value).shape; }

Value ChannelLayout::transposed(Value value, Dims axes) {
  return to_.add("transpose", {value}, {{"axes", std::move(axes)}});
}

Value ChannelLayout::reshaped(Value value, Dims dims) {
  return to_.add("reshape", {value}, {{"shape", std::move(dims)}});
}

Value ChannelLayout::plain(Value value) {
  const auto found = plain_.find(value);
  if (found != plain_.end()) return found->second;
  const auto rank = static_cast<std::int64_t>(shape(value).size());
  Dims axes = {0, rank - 1};
  for (std::int64_t i = 1; i + 1 < rank; ++i) axes.push_back(i);
  return plain_[value] = transposed(last_.at(value), axes);
}

Value ChannelLayout::last(Value value) {
  const auto found = last_.find(value);
  if (found != last_.end()) return found->second;
  return last_[value] = channels_moved(plain(value), shape(value).size());
}

Value ChannelLayout::channels_moved(Value value, std::size_t rank) {
  Dims axes = {0};
  for (std::size_t i = 2; i < rank; ++i) axes.push_back(static_cast<std::int64_t>(i));
  axes.push_back(1);
  return transposed(value, axes);
}

void ChannelLayout::add(NodeId id) {
  const Node& node = this->node(id);
  if (node.op->name == "input") return;
  constant_[static_cast<std::size_t>(id)] =
      std::all_of(node.inputs.begin(), node.inputs.end(), [&](Value v) { return is_constant(v); });
  if (!constant_[static_cast<std::size_t>(id)] && node.types.size() == 1 && relaid(id)) {
    moved_.push_back(id);
    return;
  }
  std::vector<Value> inputs;
  for (const Value& value : node.inputs) inputs.push_back(plain(value));
  const Value copy = to_.add(node.op->name, inputs, node.attrs, node.name, node.graphs);
  for (std::size_t k = 0; k < node.types.size(); ++k) {
    const auto output = static_cast<std::int32_t>(k);
    plain_[{id, output}] = {copy.node, output};
  }
}

bool ChannelLayout::relaid(NodeId id) {
  const Node& node = this->node(id);
  if (node.op->name == "conv") return convolution(id);
  if (node.op->name == "conv_transpose") return spreading_convolution(id);
  if (std::none_of(node.inputs.begin(), node.inputs.end(), [&](Value v) { return has_last(v); })) {
    return false;
  }
  if (node.op->kind == Kind::kElementwise) return elementwise(id);
  if (node.op->name == "concat") return same_with(id, node.inputs, moved_axis(node));
  if (node.op->name == "gather") return gather(id);
  if (!has_last(node.inputs[0])) return false;
  if (node.op->name == "transpose") return transpose(id);
  if (node.op->name == "batch_norm") return batch_norm(id);
  if (node.op->name == "group_norm") return group_norm(id);
  if (node.op->name == "slice" || node.op->name == "pad") return lists(id);
  if (std::count(kPoolings.begin(), kPoolings.end(), node.op->name) > 0) return pooling(id);
  if (node.attrs.has("axes") && node.attrs.has("keepdims")) return reduction(id);
  return false;
}

bool ChannelLayout::same_with(NodeId id, const std::vector<Value>& inputs, const Attrs& attrs) {
  std::vector<Value> operands;
  for (const Value& value : inputs) operands.push_back(last(value));
  last_[{id, 0}] = to_.add(node(id).op->name, operands, attrs, node(id).name);
  return true;
}

Attrs ChannelLayout::moved_axis(const Node& node) const {
  Attrs attrs = node.attrs;
  attrs.set("axis", moved(attrs.integer("axis"), shape(node.inputs[0]).size()));
  return attrs;
}

bool ChannelLayout::convolution(NodeId id) {
  const Node& node = this->node(id);
  const Dims& w = shape(node.inputs[1]);
  const std::int64_t groups = node.attrs.integer("groups");
  const bool depthwise = groups > 1 && w[0] == Dim(groups) && w[1] == Dim(1);
  if (w.size() < 3 || !is_constant(node.inputs[1]) || (groups != 1 && !depthwise)) return false;
  Attrs attrs = node.attrs;
  attrs.erase("groups");
  attrs.set("depthwise", depthwise);
  return finish_convolution(
      id, to_.add("conv_last", {last(node.inputs[0]), plain(node.inputs[1])}, attrs));
}

bool ChannelLayout::finish_convolution(NodeId id, Value sums) {
  const Node& node = this->node(id);
  converted_ = true;
  if (node.inputs.size() > 2) sums = to_.add("add", {sums, plain(node.inputs[2])});
  last_[{id, 0}] = sums;
  return true;
}

bool ChannelLayout::spreading_convolution(NodeId id) {
  const Node& node = this->node(id);
  const Dims& x = shape(node.inputs[0]);
  const Dims& w = shape(node.inputs[1]);
  const Dims window(w.begin() + 2, w.end());
  const Dims& strides = node.attrs.dims("strides");
  const bool side_by_side = strides == window || (strides.empty() && all_are(window, 1));
  const bool bare =
      all_are(node.attrs.dims("dilations"), 1) && all_are(node.attrs.dims("pads_low"), 0) &&
      all_are(node.attrs.dims("pads_high"), 0) && all_are(node.attrs.dims("output_padding"), 0);
  if (w.size() < 3 || !is_constant(node.inputs[1]) || node.attrs.integer("groups") != 1 ||
      !side_by_side || !bare) {
    return false;
  }
  const auto rank = static_cast<std::int64_t>(window.size());
  Dims order;  // [window..., o, c]
  for (std::int64_t i = 0; i < rank; ++i) order.push_back(2 + i);
  order.insert(order.end(), {1, 0});
  Dims filters = {element_count(window) * w[1], w[0]};
  filters.resize(w.size(), 1);
  const Value filter = reshaped(transposed(plain(node.inputs[1]), order), filters);
  const Value sums = to_.add("conv_last", {last(node.inputs[0]), filter});
  Dims split(x.begin() + 2, x.end()), axes = {0}, joined = {x[0]};
  split.insert(split.begin(), x[0]);
  split.insert(split.end(), window.begin(), window.end());
  split.push_back(w[1]);
  for (std::int64_t i = 0; i < rank; ++i) {
    axes.insert(axes.end(), {1 + i, 1 + rank + i});
    joined.push_back(x[static_cast<std::size_t>(2 + i)] * window[static_cast<std::size_t>(i)]);
  }
  axes.push_back(1 + 2 * rank);
  joined.push_back(w[1]);
  return finish_convolution(id, reshaped(transposed(reshaped(sums, split), axes), joined));
}

bool ChannelLayout::elementwise(NodeId id) {
  const Node& node = this->node(id);
  const std::size_t rank = node.types[0].shape.size();
  const bool wide = std::any_of(node.inputs.begin(), node.inputs.end(),
                                [&](Value v) { return has_last(v) && shape(v).size() == rank; });
  if (!wide) return false;
  std::vector<Value> operands;
  for (const Value& value : node.inputs) operands.push_back(broadcast_operand(value, rank));
  last_[{id, 0}] = to_.add(node.op->name, operands, node.attrs, node.name);
  return true;
}

Value ChannelLayout::broadcast_operand(Value value, std::size_t rank) {
  const Dims& dims = shape(value);
  if (dims.size() == rank) return last(value);
  if (all_are(dims, 1)) return plain(value);
  Dims aligned(rank - dims.size(), 1);
  aligned.insert(aligned.end(), dims.begin(), dims.end());
  return channels_moved(reshaped(plain(value), aligned), rank);
}

bool ChannelLayout::gather(NodeId id) {
  const Node& node = this->node(id);
  if (!has_last(node.inputs[0]) || shape(node.inputs[1]).size() != 1) return false;
  last_[{id, 0}] =
      to_.add("gather", {last(node.inputs[0]), plain(node.inputs[1])}, moved_axis(node), node.name);
  return true;
}

bool ChannelLayout::transpose(NodeId id) {
  const Node& node = this->node(id);
  const std::size_t rank = shape(node.inputs[0]).size();
  if (node.attrs.dims("axes").size() != rank) return false;
  Dims axes;
  for (const std::int64_t axis : node.attrs.integers("axes")) axes.push_back(moved(axis, rank));
  plain_[{id, 0}] = to_.add("transpose", {last(node.inputs[0])}, {{"axes", axes}}, node.name);
  return true;
}

bool ChannelLayout::batch_norm(NodeId id) {
  const Node& node = this->node(id);
  std::vector<Value> operands = {last(node.inputs[0])};
  for (std::size_t i = 1; i < node.inputs.size(); ++i) operands.push_back(plain(node.inputs[i]));
  last_[{id, 0}] = to_.add("batch_norm", operands, moved_axis(node), node.name);
  return true;
}

bool ChannelLayout::group_norm(NodeId id) {
  const Node& node = this->node(id);
  const Expr x{&to_, last(node.inputs[0])};
  const Dims shape = to_.type(x).shape;
  const auto channel = static_cast<std::int64_t>(shape.size()) - 1;
  Dims one(shape.size(), 1), split = one, spatial;
  one[0] = split[0] = shape[0];
  one.back() = shape.back();
  split.back() = node.attrs.integer("groups");
  split.push_back(floor_div(shape.back(), split.back()));
  Dim count = split.back();
  for (std::int64_t i = 1; i < channel; ++i) {
    spatial.push_back(i);
    count = count * shape[static_cast<std::size_t>(i)];
  }
  // The mean over a group, for each of its channels.
  const auto mean = [&](const Expr& values) {
    Expr sums = call("reshape", {fold("sum", values, spatial)}, {{"shape", split}});
    sums =
        fold("sum", sums, {channel + 1}) / Expr{&to_, size_scalar(to_, count, to_.type(x).dtype)};
    return call("reshape", {call("broadcast", {sums}, {{"shape", split}})}, {{"shape", one}});
  };
  const Expr centred = x - mean(x);
  Expr factor = call("rsqrt", {mean(centred * centred) + node.attrs.real("epsilon")});
  if (node.inputs.size() > 1) factor = factor * Expr{&to_, plain(node.inputs[1])};
  Expr y = centred * factor;
  if (node.inputs.size() > 2) y = y + Expr{&to_, plain(node.inputs[2])};
  last_[{id, 0}] = y;
  return true;
}

bool ChannelLayout::lists(NodeId id) {
  Attrs attrs = node(id).attrs;
  for (const auto& [name, value] : node(id).attrs) {
    if (const Dims* list = std::get_if<Dims>(&value)) attrs.set(name, moved(*list));
  }
  return same_with(id, {node(id).inputs[0]}, attrs);
}

bool ChannelLayout::pooling(NodeId id) {
  const Node& node = this->node(id);
  Attrs attrs = node.attrs;
  Dims window = attrs.dims("window");
  if (window.size() + 2 != shape(node.inputs[0]).size()) return false;
  window.push_back(1);
  attrs.set("window", window);
  for (const std::string_view name : kWindowLists) {
    Dims list = attrs.dims(name);
    if (list.empty()) continue;
    list.push_back(name.starts_with("pads") ? 0 : 1);
    attrs.set(std::string(name), list);
  }
  return same_with(id, {node.inputs[0]}, attrs);
}

bool ChannelLayout::reduction(NodeId id) {
  const Node& node = this->node(id);
  const std::size_t rank = shape(node.inputs[0]).size();
  Dims axes;
  bool over_channels = false;
  for (const std::int64_t axis : node.attrs.integers("axes")) {
    axes.push_back(moved(axis, rank));
    over_channels = over_channels || axes.back() == Dim(static_cast<std::int64_t>(rank) - 1);
  }
  Attrs attrs = node.attrs;
  attrs.set("axes", axes);
  if (axes.empty()) return false;
  if (attrs.flag("keepdims")) return same_with(id, {node.inputs[0]}, attrs);
  // Without spatial axes [n, c] is left in either layout.
  if (over_channels || axes.size() + 2 < rank) return false;
  if (node.types[0].shape.size() != 2) return false;
  plain_[{id, 0}] = to_.add(node.op->name, {last(node.inputs[0])}, attrs, node.name);
  return true;
}

std::optional<ChannelsLast> channels_last(const Graph& graph) { return ChannelLayout(graph).run(); }

}  // namespace lamina
