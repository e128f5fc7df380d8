// Boxes of values: inputs, element-wise operators, composites, and what cannot be cut.
#include "verify/cone.h"

#include "base/check.h"
#include "verify/cone_builder.h"

namespace lamina {
namespace {

constexpr int kDeepest = 2000;  // of values that wait for each other: the stack is finite
constexpr std::size_t kMostNodes = 400'000;

// A part of an operand that is broadcast to the shape that `box` is a part of.
Box broadcast_part(const Dims& operand, const Box& box) {
  Box result = whole_box(*constant_shape(operand));
  const std::size_t skip = box.start.size() - operand.size();
  for (std::size_t i = 0; i < operand.size(); ++i) {
    if (operand[i] == Dim(1)) continue;
    result.start[i] = box.start[skip + i];
    result.length[i] = box.length[skip + i];
  }
  return result;
}

Dims dims(const Shape& shape) { return Dims(shape.begin(), shape.end()); }

bool has_scalar(const OpDef& op) {
  return op.scalar.formal != nullptr || op.scalar.whole != nullptr;
}

}  // namespace

ConeBuilder::ConeBuilder(const Graph& graph, double most_points, const InputParts& given)
    : program_(graph), most_points_(most_points), given_(given), read_(graph.inputs.size()) {
  require(graph.sizes.empty(), "a cone of graph '{}', which has named sizes", graph.name);
  graph_.name = graph.name;
  top_.graph = &graph;
  for (const Node& node : graph.nodes) top_.types.push_back(node.types);
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const Node& node = graph.nodes[static_cast<std::size_t>(graph.inputs[i].node)];
    inputs_.push_back({});
    if (!given.empty() && !given[i]) continue;
    const bool real = traits(node.types[0].dtype).is_float;
    const Dims shape = given.empty() ? node.types[0].shape : dims(given[i]->length);
    const bool fixed = !real && graph.inputs[i].role == Role::kWeight;
    inputs_[i] = graph_.add_input(node.name, {node.types[0].dtype, shape, {}},
                                  fixed ? Role::kWeight : Role::kInput);
    if (fixed) graph_.inputs.back().value = graph.inputs[i].value;
  }
}

Cone ConeBuilder::build(Value value, const Box& box) {
  graph_.add_output("part", emit(top_, value, box));
  return {std::move(graph_), std::move(read_), points_};
}

Value ConeBuilder::emit(const Scope& scope, Value value, const Box& box) {
  const Shape shape = *constant_shape(type(scope, value).shape);
  require(is_inside(box, whole_box(shape)), "cone: elements beyond a value of shape {}",
          lamina::to_string(shape));
  const auto known = known_.find({&scope, value, box});
  if (known != known_.end()) return known->second;
  if (element_count(box.length) == 0) {
    fail(ErrorCode::kUnsupported, "an element of nothing is asked for");
  }
  if (++depth_ > kDeepest) {
    fail(ErrorCode::kUnsupported, "more than {} values wait for each other", kDeepest);
  }
  const Value result = compute(scope, value, box);
  --depth_;
  check(type(result).shape == dims(box.length), "cone: {} instead of {} for '{}'",
        lamina::to_string(type(result).shape), lamina::to_string(box.length),
        scope.graph->node(value).name);
  known_.emplace(std::tuple(&scope, value, box), result);
  return result;
}

Value ConeBuilder::compute(const Scope& scope, Value value, const Box& box) {
  const auto n = static_cast<std::size_t>(value.node);
  const Node& node = scope.graph->nodes[n];
  const OpDef& op = *node.op;
  if (scope.follows_loop && !scope.after[n]) return emit(*scope.before, value, box);
  if (op.name == "input") return input(scope, value, box);
  if (op.name == "load") {
    const Value source = node.inputs[0];
    return input(scope, source, moved_by(scope.tiles[n], box));
  }
  if (op.name == "block") return block(scope, value, box);
  if (op.name == "after") return after(scope, value, box);
  if (op.name == "thread") return composite(scope, value, box);
  if (has_scalar(op)) return elementwise(scope, value, box);
  if (op.loop_form != nullptr) return cut_loops(scope, value, box);
  if (op.order_form != nullptr) return cut_line(scope, value, box);
  if (op.move_form != nullptr) return moved(scope, value, box);
  if (op.expand != nullptr) return composite(scope, value, box);
  return whole(scope, value, box);
}

Value ConeBuilder::input(const Scope& scope, Value value, const Box& box) {
  const Graph& graph = *scope.graph;
  std::size_t given = 0;
  std::size_t index = 0;
  while (graph.inputs.at(index).node != value.node) {
    given += graph.inputs[index++].role == Role::kState ? 0 : 1;
  }
  if (scope.parent == nullptr) return program_input(index, box);
  const Input& input = graph.inputs[index];
  if (input.role != Role::kState) return emit(*scope.parent, scope.given[given], box);
  if (scope.before == nullptr) {
    return filled(input.initial, type(scope, value).dtype, box.length);
  }
  return emit(*scope.before, state_value(graph, value.node), box);
}

Value ConeBuilder::program_input(std::size_t index, const Box& box) {
  const Value value = inputs_[index];
  const Type& full = program_.nodes[static_cast<std::size_t>(program_.inputs[index].node)].types[0];
  const Box needed = traits(full.dtype).is_float ? box : whole_box(*constant_shape(full.shape));
  read_[index] = read_[index] ? hull(*read_[index], needed) : needed;
  if (given_.empty()) return part(value, box);
  check(given_[index] && is_inside(box, *given_[index]), "cone: input {} lacks what is read of it",
        index);
  return part(value, relative_to(given_[index]->start, box));
}

Value ConeBuilder::elementwise(const Scope& scope, Value value, const Box& box) {
  const Node& node = scope.graph->node(value);
  std::vector<Value> operands;
  for (const Value& operand : node.inputs) {
    operands.push_back(emit(scope, operand, broadcast_part(type(scope, operand).shape, box)));
  }
  count(dims(box.length));
  return add(node.op->name, std::move(operands), node.attrs);
}

// Through the inner graph.
Value ConeBuilder::composite(const Scope& scope, Value value, const Box& box) {
  const Node& node = scope.graph->node(value);
  auto known = inner_.find({&scope, value.node});
  if (known == inner_.end()) {
    const Graph* graph = node.graphs.empty() ? nullptr : &node.graphs[0];
    if (graph == nullptr) {
      const std::vector<Type> types = input_types(scope, node);
      expansions_.push_back(std::make_unique<Graph>(
          node.op->expand(NodeView{*node.op, types, node.attrs, node.graphs})));
      graph = expansions_.back().get();
    }
    auto inner = std::make_unique<Scope>();
    inner->graph = graph;
    inner->parent = &scope;
    inner->given = node.inputs;
    inner->types.resize(graph->nodes.size());
    for (std::size_t i = 0; i < graph->inputs.size(); ++i) {
      const auto n = static_cast<std::size_t>(graph->inputs[i].node);
      inner->types[n] = {type(scope, node.inputs[i])};
    }
    for (std::size_t n = 0; n < graph->nodes.size(); ++n) {
      if (inner->types[n].empty()) infer(*inner, static_cast<NodeId>(n));
    }
    known = inner_.emplace(std::pair(&scope, value.node), std::move(inner)).first;
  }
  const Graph& graph = *known->second->graph;
  const Value output = graph.outputs.at(static_cast<std::size_t>(value.output)).value;
  return emit(*known->second, output, box);
}

// All of it, then the part.
Value ConeBuilder::whole(const Scope& scope, Value value, const Box& box) {
  Node node = scope.graph->node(value);
  for (Value& operand : node.inputs) {
    operand = emit(scope, operand, whole_box(*constant_shape(type(scope, operand).shape)));
  }
  const std::vector<Type> types = input_types(scope, scope.graph->node(value));
  const bool loops = node.op->loop_form != nullptr;
  count(loops ? node.op->loop_form({*node.op, types, node.attrs, node.graphs}).extents
              : type(scope, value).shape);
  const Value all = add(std::move(node));
  return part({all.node, value.output}, box);
}

std::vector<Type> ConeBuilder::input_types(const Scope& scope, const Node& node) const {
  std::vector<Type> types;
  for (const Value& value : node.inputs) {
    const Type& seen = type(scope, value);
    types.push_back({seen.dtype, seen.shape, {}});
  }
  return types;
}

const Type& ConeBuilder::type(const Scope& scope, Value value) const {
  return scope.types[static_cast<std::size_t>(value.node)].at(
      static_cast<std::size_t>(value.output));
}

void ConeBuilder::infer(Scope& scope, NodeId id) const {
  const auto n = static_cast<std::size_t>(id);
  const Node& node = scope.graph->nodes[n];
  const std::vector<Type> types = input_types(scope, node);
  scope.types[n] = node.op->infer(NodeView{*node.op, types, node.attrs, node.graphs});
}

Value ConeBuilder::add(std::string_view op, std::vector<Value> inputs, Attrs attrs) {
  Node node;
  node.op = &find_op(op);
  node.inputs = std::move(inputs);
  node.attrs = std::move(attrs);
  return add(std::move(node));
}

// Not by Graph::add(), which compares each name with all others.
Value ConeBuilder::add(Node node) {
  if (graph_.nodes.size() >= kMostNodes) {
    fail(ErrorCode::kUnsupported, "the cone has more than {} values", kMostNodes);
  }
  const auto id = static_cast<NodeId>(graph_.nodes.size());
  node.name = "." + std::to_string(id);
  std::vector<Type> types;
  node.types = node.op->infer(view(graph_, node, types));
  graph_.nodes.push_back(std::move(node));
  return {id, 0};
}

Value ConeBuilder::part(Value value, const Box& box) {
  if (type(value).shape == dims(box.length)) return value;
  return add("slice", {value},
             {{"start", dims(box.start)}, {"size", dims(box.length)}, {"step", Dims{}}});
}

Value ConeBuilder::filled(double value, DType dtype, const Shape& shape) {
  return add("constant", {}, {{"value", value}, {"dtype", dtype}, {"shape", dims(shape)}});
}

void ConeBuilder::count(const Dims& extents) {
  points_ += static_cast<double>(element_count(*constant_shape(extents)));
  if (points_ > most_points_) {
    fail(ErrorCode::kUnsupported, "one element needs more than {:.0f} operations", most_points_);
  }
}

Cone make_cone(const Graph& graph, Value value, const Box& box, double most_points,
               const InputParts& given) {
  return ConeBuilder(graph, most_points, given).build(value, box);
}

}  // namespace lamina
