// Building graphs: names, arity, attribute defaults and inferred types.
#include "lamina/graph.h"

#include <algorithm>

#include "base/check.h"
#include "graph/named_node.h"
#include "graph/op_def.h"

namespace lamina {
namespace {

AttrKind kind_of(const Attr& attr) { return static_cast<AttrKind>(attr.index()); }

// Lets callers write integers for reals and single integers for lists.
Attr coerce(const Attr& attr, AttrKind wanted) {
  const auto* whole = std::get_if<std::int64_t>(&attr);
  if (whole != nullptr && wanted == AttrKind::kReal) return static_cast<double>(*whole);
  if (whole != nullptr && wanted == AttrKind::kDims) return Dims{*whole};
  const auto* dims = std::get_if<Dims>(&attr);
  if (dims == nullptr) return attr;
  const auto values = constant_shape(*dims);
  if (values && wanted == AttrKind::kReals) {
    return std::vector<double>(values->begin(), values->end());
  }
  if (values && wanted == AttrKind::kInteger && values->size() == 1) return values->front();
  return attr;
}

Attrs complete_attrs(const OpDef& op, const Attrs& given) {
  Attrs result;
  for (const AttrSpec& spec : op.attrs) {
    if (!given.has(spec.name)) {
      require(!spec.required, "{}: attribute '{}' is missing", op.name, spec.name);
      if (spec.fallback) result.set(std::string(spec.name), *spec.fallback);
      continue;
    }
    Attr value = coerce(given.at(spec.name), spec.kind);
    require(kind_of(value) == spec.kind, "{}: attribute '{}' has the wrong kind", op.name,
            spec.name);
    result.set(std::string(spec.name), std::move(value));
  }
  for (const auto& [name, value] : given) {
    const bool known = std::any_of(op.attrs.begin(), op.attrs.end(),
                                   [&](const AttrSpec& spec) { return spec.name == name; });
    require(known, "{}: unknown attribute '{}'", op.name, name);
  }
  return result;
}

void check_arity(const OpDef& op, std::size_t count) {
  const auto n = static_cast<int>(count);
  if (op.max_inputs < 0) {
    require(n >= op.min_inputs, "{}: expected at least {} inputs, got {}", op.name, op.min_inputs,
            n);
    return;
  }
  require(n >= op.min_inputs && n <= op.max_inputs, "{}: expected {} to {} inputs, got {}", op.name,
          op.min_inputs, op.max_inputs, n);
}

std::string unique_name(const Graph& graph, std::string wanted) {
  const auto taken = [&](const std::string& name) {
    return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                       [&](const Node& node) { return node.name == name; });
  };
  if (!wanted.empty() && !taken(wanted)) return wanted;
  if (wanted.empty()) wanted = "v";
  for (std::size_t i = graph.nodes.size();; ++i) {
    std::string name = wanted + std::to_string(i);
    if (!taken(name)) return name;
  }
}

Value add_input_node(Graph& graph, std::string name, Type type, Input input) {
  Node node;
  node.op = &find_op("input");
  node.name = unique_name(graph, std::move(name));
  node.types = {std::move(type)};
  input.node = static_cast<NodeId>(graph.nodes.size());
  graph.nodes.push_back(std::move(node));
  graph.inputs.push_back(std::move(input));
  return {graph.inputs.back().node, 0};
}

Type type_of(const Tensor& tensor) {
  Type type;
  type.dtype = tensor.dtype();
  type.shape.assign(tensor.shape().begin(), tensor.shape().end());
  if (!tensor.layout().is_dense()) {
    type.strides.assign(tensor.layout().strides.begin(), tensor.layout().strides.end());
  }
  return type;
}

}  // namespace

std::string_view op_name(const Node& node) { return node.op->name; }

const OpDef& find_op(std::string_view name) {
  for (const OpDef& op : all_ops()) {
    if (op.name == name) return op;
  }
  fail(ErrorCode::kNotFound, "no operator is called '{}'", name);
}

NodeView view(const Graph& graph, const Node& node, std::vector<Type>& input_types) {
  input_types.clear();
  for (const Value& input : node.inputs) input_types.push_back(graph.type(input));
  return {*node.op, input_types, node.attrs, node.graphs};
}

const Type& Graph::type(Value value) const {
  require(value.node >= 0 && static_cast<std::size_t>(value.node) < nodes.size(),
          "graph '{}' has no node {}", name, value.node);
  const Node& owner = nodes[static_cast<std::size_t>(value.node)];
  require(value.output >= 0 && static_cast<std::size_t>(value.output) < owner.types.size(),
          "node '{}' has no output {}", owner.name, value.output);
  return owner.types[static_cast<std::size_t>(value.output)];
}

const Input* Graph::input(NodeId node) const {
  const auto found = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const Input& input) { return input.node == node; });
  return found == inputs.end() ? nullptr : &*found;
}

Value Graph::add_input(std::string name, Type type, Role role) {
  Input input;
  input.role = role;
  return add_input_node(*this, std::move(name), std::move(type), std::move(input));
}

Value Graph::add_weight(std::string name, Tensor value) {
  Input input;
  input.role = Role::kWeight;
  Type type = type_of(value);
  input.value = std::move(value);
  return add_input_node(*this, std::move(name), std::move(type), std::move(input));
}

Value Graph::add_state(std::string name, Type type, double initial) {
  Input input;
  input.role = Role::kState;
  input.initial = initial;
  return add_input_node(*this, std::move(name), std::move(type), std::move(input));
}

Value add_named(Graph& graph, Node node) {
  check_arity(*node.op, node.inputs.size());
  node.attrs = complete_attrs(*node.op, node.attrs);
  std::vector<Type> input_types;
  node.types = node.op->infer(view(graph, node, input_types));
  graph.nodes.push_back(std::move(node));
  return {static_cast<NodeId>(graph.nodes.size() - 1), 0};
}

Value Graph::add(std::string_view op_name, std::vector<Value> inputs, Attrs attrs, std::string name,
                 std::vector<Graph> graphs) {
  Node node;
  node.op = &find_op(op_name);
  node.name = unique_name(*this, std::move(name));
  node.inputs = std::move(inputs);
  node.attrs = std::move(attrs);
  node.graphs = std::move(graphs);
  return add_named(*this, std::move(node));
}

Value Graph::constant(double value, DType dtype) {
  return add("constant", {}, {{"value", value}, {"dtype", dtype}});
}

void Graph::add_output(std::string output_name, Value value) {
  type(value);
  outputs.push_back({std::move(output_name), value});
}

Value Graph::find(std::string_view wanted) const {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    if (node.name == wanted) return {static_cast<NodeId>(i), 0};
    for (std::size_t k = 1; k < node.types.size(); ++k) {
      if (node.name + "." + std::to_string(k) == wanted) {
        return {static_cast<NodeId>(i), static_cast<std::int32_t>(k)};
      }
    }
  }
  fail(ErrorCode::kNotFound, "graph '{}' has no value '{}'", name, wanted);
}

}  // namespace lamina
