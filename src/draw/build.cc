// From graphs to scenes: which boxes there are, what they say, and what they read.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "draw/block_bands.h"
#include "draw/repeats.h"
#include "draw/scene.h"
#include "graph/op_def.h"
#include "graph/text_form.h"

namespace lamina::draw {
namespace {

// Larger graphs have their weights and chains of one-input operators written into the boxes.
constexpr std::size_t kLargeGraph = 40;
constexpr std::size_t kLongestText = 44;

std::string shortened(const std::string& text) {
  return text.size() <= kLongestText ? text : text.substr(0, kLongestText - 3) + "...";
}

std::string bytes_text(double bytes) {
  if (bytes < 1024) return "";
  const char* const units[] = {"KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (bytes /= 1024; bytes >= 1024 && unit < 3; bytes /= 1024) ++unit;
  return bytes < 10 ? fmt::format(" {:.1f} {}", bytes, units[unit])
                    : fmt::format(" {:.0f} {}", bytes, units[unit]);
}

// dtype, shape and, when it is known, how much memory that takes.
std::string type_text(const Type& type) {
  const std::optional<Shape> shape = constant_shape(type.shape);
  std::string text = to_string(Type{type.dtype, type.shape, {}});
  if (!shape) return text;
  double bytes = static_cast<double>(traits(type.dtype).block_bytes) /
                 static_cast<double>(traits(type.dtype).block_elements);
  for (const std::int64_t extent : *shape) bytes *= static_cast<double>(extent);
  return text + bytes_text(bytes);
}

bool is_scalar_constant(const Node& node) {
  return node.op->name == "constant" && node.types[0].shape.empty();
}

// The attributes that differ from their defaults, one a line.
void add_attributes(const Node& node, Box& box) {
  for (const AttrSpec& spec : node.op->attrs) {
    const std::string name(spec.name);
    if (!node.attrs.has(name) || (spec.fallback && node.attrs.at(name) == *spec.fallback)) continue;
    box.lines.push_back(shortened(name + " = " + written_attr(node.attrs.at(name))));
  }
}

// "axis 0 by grid 1": which axis each grid dimension cuts.
void add_cuts(const Node& node, Box& box) {
  const Dims& grid = node.attrs.dims("grid");
  for (std::size_t d = 0; d < grid.size(); ++d) {
    const std::int64_t axis = grid[d].constant().value_or(-1);
    if (axis >= 0) box.lines.push_back(fmt::format("axis {} by grid {}", axis, d));
  }
}

std::string product_text(const Dims& dims) {
  std::string text;
  Dim product = 1;
  for (const Dim& dim : dims) {
    text += (text.empty() ? "" : " x ") + dim.to_string();
    product = product * dim;
  }
  return dims.size() > 1 ? text + " = " + product.to_string() : text;
}

// What the scene of an inner graph offers to the graph around it.
struct InnerScene {
  Scene scene;
  std::vector<std::vector<int>> entries;  // boxes by input
};

class SceneBuilder {
 public:
  SceneBuilder(const Graph& graph, Band port_band, bool compact)
      : graph_(graph), port_band_(port_band), compact_(compact), readers_(graph.nodes.size()) {
    for (const Node& node : graph.nodes) {
      for (const Value& value : node.inputs) ++readers_[static_cast<std::size_t>(value.node)];
    }
    for (const Output& output : graph.outputs) outputs_[output.value] = output.name;
    for (const Update& update : graph.updates) nexts_[update.next] = update.state;
    if (graph.level == Level::kBlock) bands_ = block_bands(graph);
  }

  Scene whole(std::string loop_title);
  Scene part(const std::vector<NodeId>& ids);
  const std::vector<std::pair<Value, int>>& ports() const { return ports_; }
  // The boxes that take input number `k` of the graph.
  std::vector<int> entries(const Input& input) const;

 private:
  const Node& node(NodeId id) const { return graph_.nodes[static_cast<std::size_t>(id)]; }
  Band band(NodeId id) const {
    return bands_.empty() ? Band::kBody : bands_[static_cast<std::size_t>(id)];
  }
  void add_nodes(const std::vector<NodeId>& ids);
  void add_repeat(const std::vector<NodeId>& ids, const Repeat& repeat);
  void add_node(NodeId id);
  bool append_to_chain(NodeId id);
  bool is_inline(Value value) const;
  void add_operand_line(Value value, std::size_t k, Box& box) const;
  Box operator_box(NodeId id) const;
  void describe_accumulator(NodeId id, Box& box) const;
  std::pair<int, int> where(Value value);
  void add_edge(Value from, int to, int inner = -1, int entry = -1);
  void add_strips(NodeId id, Box& box, int index);
  void add_frame(NodeId id);
  void connect_frame(NodeId id, int box, const std::vector<InnerScene>& inner);
  int push(Box box);

  const Graph& graph_;
  Band port_band_;
  bool compact_;
  std::vector<int> readers_;
  std::vector<Band> bands_;
  std::map<Value, std::string> outputs_;
  std::map<Value, NodeId> nexts_;
  std::map<Value, std::pair<int, int>> where_;
  std::vector<std::pair<Value, int>> ports_;
  std::map<NodeId, std::vector<int>> loads_;
  Scene scene_;
};

int SceneBuilder::push(Box box) {
  box.title = shortened(box.title);
  scene_.boxes.push_back(std::move(box));
  return static_cast<int>(scene_.boxes.size()) - 1;
}

// Constants are written where they are read; so are weights of large graphs.
bool SceneBuilder::is_inline(Value value) const {
  if (where_.count(value) != 0) return false;
  if (is_scalar_constant(node(value.node))) return true;
  const Input* input = graph_.input(value.node);
  return compact_ && input != nullptr && input->role == Role::kWeight;
}

void SceneBuilder::add_operand_line(Value value, std::size_t k, Box& box) const {
  const Node& operand = node(value.node);
  if (operand.op->name == "constant") {
    const std::string number = fmt::format("{}", operand.attrs.real("value"));
    box.lines.push_back((k == 0 ? "first: " : "with ") + number);
  } else {
    box.lines.push_back("weight " + type_text(operand.types[0]));
  }
}

// The box of a value; inputs and what comes from elsewhere get one when they are first read.
std::pair<int, int> SceneBuilder::where(Value value) {
  const auto found = where_.find(value);
  if (found != where_.end()) return found->second;
  const Node& source = node(value.node);
  const Input* input = graph_.input(value.node);
  Box box;
  box.look = Look::kTensor;
  box.title = source.name;
  box.band = port_band_;
  if (is_scalar_constant(source)) box.title = fmt::format("{}", source.attrs.real("value"));
  if (input != nullptr && input->role == Role::kWeight) box.title = "weight " + source.name;
  if (input != nullptr && input->role == Role::kState) {
    box.look = Look::kState;
    box.band = Band::kBody;
    box.title = "state " + source.name;
    box.lines.push_back(fmt::format("starts at {:g}", input->initial));
  }
  box.strips.push_back({type_text(graph_.type(value)), graph_.level});
  const int index = push(std::move(box));
  if (input == nullptr || input->role != Role::kState) ports_.emplace_back(value, index);
  return where_[value] = {index, 0};
}

void SceneBuilder::add_edge(Value from, int to, int inner, int entry) {
  const auto [box, strip] = where(from);
  scene_.edges.push_back({box, strip, to, inner, entry, {}});
}

void SceneBuilder::add_strips(NodeId id, Box& box, int index) {
  const Node& source = node(id);
  for (std::size_t k = 0; k < source.types.size(); ++k) {
    const Value value{id, static_cast<std::int32_t>(k)};
    const auto output = outputs_.find(value);
    std::string text = type_text(source.types[k]);
    if (output != outputs_.end() && source.op->name != "store") {
      text = "output " + shortened(output->second) + ": " + text;
    }
    where_[value] = {index, static_cast<int>(box.strips.size())};
    if (source.op->name != "store") box.strips.push_back({text, graph_.level});
    const auto next = nexts_.find(value);
    if (next != nexts_.end()) {
      box.strips.push_back({"next " + node(next->second).name, graph_.level});
    }
  }
}

Box SceneBuilder::operator_box(NodeId id) const {
  const Node& source = node(id);
  Box box;
  box.band = band(id);
  box.title = std::string(source.op->name);
  if (source.op->name == "load" || source.op->name == "store") {
    box.look = source.op->name == "load" ? Look::kLoad : Look::kStore;
    box.title += " " + node(source.inputs[0].node).name;
    if (box.look == Look::kStore) box.title = "store " + outputs_.at({id, 0});
    add_cuts(source, box);
    const std::int64_t axis = source.attrs.integer("loop");
    if (axis >= 0) {
      box.lines.push_back(fmt::format("axis {} by the loop", axis));
    } else if (box.look == Look::kLoad) {
      box.lines.emplace_back("once per task");
    }
    return box;
  }
  if (source.op->name != "constant") add_attributes(source, box);
  describe_accumulator(id, box);
  return box;
}

// "sum of m" where a state only ever has things added to it.
void SceneBuilder::describe_accumulator(NodeId id, Box& box) const {
  const auto next = nexts_.find({id, 0});
  if (next == nexts_.end()) return;
  box.look = Look::kState;
  const Input* state = graph_.input(next->second);
  box.lines.push_back(
      fmt::format("accumulator {}, starts at {:g}", node(next->second).name, state->initial));
}

// A one-input operator behind a box that nothing else reads is written into that box.
bool SceneBuilder::append_to_chain(NodeId id) {
  const Node& source = node(id);
  if (!compact_ || !source.graphs.empty() || source.types.size() != 1) return false;
  std::vector<Value> read;
  for (const Value& value : source.inputs) {
    if (!is_inline(value)) read.push_back(value);
  }
  if (read.size() != 1 || readers_[static_cast<std::size_t>(read[0].node)] != 1) return false;
  const auto found = where_.find(read[0]);
  if (found == where_.end() || outputs_.count(read[0]) != 0) return false;
  const int index = found->second.first;
  if (scene_.boxes[static_cast<std::size_t>(index)].look != Look::kOperator) return false;
  Box more = operator_box(id);
  for (std::size_t k = 0; k < source.inputs.size(); ++k) {
    if (is_inline(source.inputs[k])) add_operand_line(source.inputs[k], k, more);
  }
  add_strips(id, more, index);
  Box& box = scene_.boxes[static_cast<std::size_t>(index)];
  box.lines.push_back("then " + more.title);
  for (const std::string& line : more.lines) box.lines.push_back("\u00a0\u00a0" + line);
  box.strips = more.strips;
  return true;
}

void SceneBuilder::add_node(NodeId id) {
  const Node& source = node(id);
  if (source.op->name == "input") return;
  if (is_scalar_constant(source) && outputs_.count({id, 0}) == 0) return;
  if (!source.graphs.empty()) return add_frame(id);
  if (append_to_chain(id)) return;
  Box box = operator_box(id);
  std::vector<Value> read;
  for (std::size_t k = 0; k < source.inputs.size(); ++k) {
    const Value value = source.inputs[k];
    if (is_inline(value)) {
      add_operand_line(value, k, box);
    } else {
      read.push_back(value);
    }
  }
  const int index = push(std::move(box));
  Box labelled = scene_.boxes[static_cast<std::size_t>(index)];
  add_strips(id, labelled, index);
  scene_.boxes[static_cast<std::size_t>(index)] = std::move(labelled);
  if (source.op->name == "load") {
    loads_[read[0].node].push_back(index);
    return;
  }
  if (source.op->name == "after") {
    // Read what the state became, not what it was.
    for (const auto& [next, state] : nexts_) {
      if (state == read[0].node && where_.count(next) != 0) return add_edge(next, index);
    }
  }
  for (const Value& value : read) add_edge(value, index);
}

std::vector<int> SceneBuilder::entries(const Input& input) const {
  const auto loads = loads_.find(input.node);
  if (loads != loads_.end()) return loads->second;
  for (const auto& [value, box] : ports_) {
    if (value.node == input.node) return {box};
  }
  return {};
}

InnerScene inner_scene(const Graph& graph, const std::string& loop_title) {
  SceneBuilder builder(graph, Band::kEntry, false);
  InnerScene inner{builder.whole(loop_title), {}};
  for (const Input& input : graph.inputs) {
    if (input.role != Role::kState) inner.entries.push_back(builder.entries(input));
  }
  return inner;
}

void SceneBuilder::add_frame(NodeId id) {
  const Node& source = node(id);
  Box box;
  box.look = Look::kFrame;
  box.band = band(id);
  box.title = std::string(source.op->name) + " " + source.name;
  box.level = inner_level(*source.op, graph_.level);
  std::string loop;
  if (source.op->name == "block") {
    box.lines.push_back("grid " + product_text(source.attrs.dims("grid")) + " tasks");
    loop = product_text(source.attrs.dims("loop"));
    if (loop == "1") loop.clear();
    if (!loop.empty()) box.lines.push_back("each task loops " + loop + " times");
  } else {
    add_attributes(source, box);
  }
  std::vector<InnerScene> inner;
  for (std::size_t i = 0; i < source.graphs.size(); ++i) {
    inner.push_back(inner_scene(source.graphs[i], loop));
    box.inner.push_back(inner.back().scene);
  }
  const int index = push(std::move(box));
  Box labelled = scene_.boxes[static_cast<std::size_t>(index)];
  add_strips(id, labelled, index);
  scene_.boxes[static_cast<std::size_t>(index)] = std::move(labelled);
  connect_frame(id, index, inner);
}

void SceneBuilder::connect_frame(NodeId id, int box, const std::vector<InnerScene>& inner) {
  const Node& source = node(id);
  const std::size_t first = first_passed_input(*source.op);
  const bool passes = source.op->name != "loop";  // its graph also gets a counter and a condition
  for (std::size_t k = 0; k < source.inputs.size(); ++k) {
    bool drawn = false;
    for (std::size_t i = 0; passes && k >= first && i < inner.size(); ++i) {
      if (k - first >= inner[i].entries.size()) continue;
      for (const int entry : inner[i].entries[k - first]) {
        add_edge(source.inputs[k], box, static_cast<int>(i), entry);
        drawn = true;
      }
    }
    if (!drawn) add_edge(source.inputs[k], box);
  }
}

// The first of the equal layers, in a frame that says how often it comes.
void SceneBuilder::add_repeat(const std::vector<NodeId>& ids, const Repeat& repeat) {
  const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(repeat.first);
  const std::vector<NodeId> layer(begin, begin + static_cast<std::ptrdiff_t>(repeat.period));
  SceneBuilder builder(graph_, Band::kEntry, true);
  Box box;
  box.look = Look::kFrame;
  box.level = graph_.level;
  box.title = fmt::format("{} equal layers, the first drawn", repeat.times);
  box.lines.push_back("they differ in their weights");
  box.inner.push_back(builder.part(layer));
  const int index = push(std::move(box));
  // What is read later comes from the last layer: the same step of the one that is drawn.
  const std::size_t last = repeat.first + (repeat.times - 1) * repeat.period;
  const std::set<NodeId> outside(ids.begin() + static_cast<std::ptrdiff_t>(last + repeat.period),
                                 ids.end());
  std::set<Value> wanted;
  for (const NodeId id : outside) {
    wanted.insert(node(id).inputs.begin(), node(id).inputs.end());
  }
  for (const auto& [value, name] : outputs_) wanted.insert(value);
  for (std::size_t i = 0; i < repeat.period; ++i) {
    const NodeId id = ids[last + i];
    for (std::size_t k = 0; k < node(id).types.size(); ++k) {
      const Value value{id, static_cast<std::int32_t>(k)};
      if (wanted.count(value) == 0) continue;
      Box& frame = scene_.boxes[static_cast<std::size_t>(index)];
      where_[value] = {index, static_cast<int>(frame.strips.size())};
      frame.strips.push_back({type_text(node(id).types[k]), graph_.level});
    }
  }
  for (const auto& [value, port] : builder.ports()) add_edge(value, index, 0, port);
}

void SceneBuilder::add_nodes(const std::vector<NodeId>& ids) {
  const Repeat repeat = ids.size() > kLargeGraph && graph_.level == Level::kKernel
                            ? find_repeat(graph_, ids)
                            : Repeat{};
  const std::size_t end = repeat.first + repeat.times * repeat.period;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (repeat.times > 0 && i == repeat.first) add_repeat(ids, repeat);
    if (i < repeat.first || i >= end) add_node(ids[i]);
  }
}

Scene SceneBuilder::part(const std::vector<NodeId>& ids) {
  for (const NodeId id : ids) add_node(id);
  return std::move(scene_);
}

Scene SceneBuilder::whole(std::string loop_title) {
  std::vector<NodeId> ids;
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& each = graph_.nodes[i];
    const bool drawn = each.op->name != "input" && !is_scalar_constant(each);
    if (drawn || outputs_.count({static_cast<NodeId>(i), 0}) != 0) {
      ids.push_back(static_cast<NodeId>(i));
    }
  }
  compact_ = compact_ || (graph_.level == Level::kKernel && ids.size() > kLargeGraph);
  add_nodes(ids);
  for (const Input& input : graph_.inputs) {
    const bool output = outputs_.count({input.node, 0}) != 0;
    if (output || graph_.level == Level::kKernel) {
      if (!is_inline({input.node, 0})) where({input.node, 0});
    }
  }
  if (graph_.updates.empty() || graph_.level != Level::kBlock) return std::move(scene_);
  if (loop_title.empty()) loop_title = "1";
  scene_.zones.push_back({"before the loop", Band::kBefore, {}, 0, 0});
  scene_.zones.push_back({"the loop, " + loop_title + " times", Band::kBody, {}, 0, 0});
  scene_.zones.push_back({"after the loop", Band::kAfter, {}, 0, 0});
  return std::move(scene_);
}

}  // namespace

double text_width(const std::string& text) {
  const auto starts = std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  });
  return kCharacter * static_cast<double>(starts);
}

Scene build_scene(const Graph& graph) { return SceneBuilder(graph, Band::kBody, false).whole(""); }

}  // namespace lamina::draw
