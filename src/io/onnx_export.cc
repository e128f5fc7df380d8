// Graphs out as ONNX: operators that ONNX has, else their expansion, node by node.
#include <algorithm>

#include "base/check.h"
#include "io/onnx.h"
#include "io/onnx_writer.h"

namespace lamina {
namespace {

constexpr int kOpset = 17;       // as old as it can be, for readers
constexpr int kNewerOpset = 18;  // has operators on bits, scatters with maxima

const std::map<std::string_view, OnnxExport>& export_rules() {
  static const std::map<std::string_view, OnnxExport> rules = [] {
    std::map<std::string_view, OnnxExport> all;
    for (const auto& table : {onnx_elementwise_exports(), onnx_move_exports(), onnx_nn_exports(),
                              onnx_window_exports()}) {
      for (const OnnxExportRule& rule : table) all[rule.op] = rule.write;
    }
    return all;
  }();
  return rules;
}

OnnxValueInfo value_info(const Wire& wire) {
  OnnxValueInfo info{wire.name, {}};
  info.type.dtype = wire.type.dtype;
  info.type.is_tensor = true;
  info.type.shape.emplace();
  for (const Dim& dim : wire.type.shape) {
    OnnxDim& out = info.type.shape->emplace_back();
    out.value = dim.constant();
    const std::string text = dim.to_string();
    if (!out.value && dim == Dim::size(text)) out.name = text;
  }
  return info;
}

// Writes the nodes of one graph, and of its inner graphs, into a writer.
class GraphExporter {
 public:
  GraphExporter(const Graph& graph, OnnxWriter& writer) : graph_(graph), w_(writer) {}

  void bind(NodeId input, const Wire& wire) { wires_[{input, 0}] = wire; }
  // The wires of the outputs.
  Wires run();

 private:
  Wires write(const Node& node, const Wires& inputs);
  Wires expanded(const Node& node, const NodeView& view, const Wires& inputs);
  OnnxGraph inner(const Graph& graph, const Wires& bound, const Wires& formal);
  Wires branch(const Node& node, const Wires& inputs);
  Wires loop(const Node& node, const Wires& inputs);

  const Graph& graph_;
  OnnxWriter& w_;
  std::map<Value, Wire> wires_;
};

Wires GraphExporter::run() {
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    if (node.op->name == "input") continue;
    Wires inputs;
    for (const Value& value : node.inputs) inputs.push_back(wires_.at(value));
    const Wires outputs = write(node, inputs);
    check(outputs.size() == node.types.size(), "{} was written with {} outputs", node.op->name,
          outputs.size());
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      wires_[{static_cast<NodeId>(i), static_cast<std::int32_t>(k)}] = outputs[k];
    }
  }
  Wires results;
  for (const Output& output : graph_.outputs) results.push_back(wires_.at(output.value));
  return results;
}

Wires GraphExporter::write(const Node& node, const Wires& inputs) {
  const std::string_view op = node.op->name;
  if (op == "if") return branch(node, inputs);
  if (op == "loop") return loop(node, inputs);
  if (op == "block") {
    fail(ErrorCode::kUnsupported,
         "block '{}': ONNX has no block graphs; write the program that was optimised instead",
         node.name);
  }
  std::vector<Type> types;
  const NodeView node_view = view(graph_, node, types);
  const auto rule = export_rules().find(op);
  if (rule != export_rules().end()) {
    Wires outputs = rule->second({node_view, inputs, node.types, w_});
    if (!outputs.empty()) return outputs;
  }
  return expanded(node, node_view, inputs);
}

Wires GraphExporter::expanded(const Node& node, const NodeView& view, const Wires& inputs) {
  if (node.op->expand == nullptr) {
    fail(ErrorCode::kUnsupported, "{} '{}': ONNX has no such operator", node.op->name, node.name);
  }
  const Graph definition = node.op->expand(view);
  GraphExporter exporter(definition, w_);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    exporter.bind(definition.inputs[i].node, inputs[i]);
  }
  return exporter.run();
}

// An inner graph whose inputs are wires of the graph around it, or its own formal inputs. Its
// outputs are values of its own, as ONNX wants them.
OnnxGraph GraphExporter::inner(const Graph& graph, const Wires& bound, const Wires& formal) {
  OnnxGraph outer = std::move(w_.graph);
  w_.graph = {};
  w_.graph.name = graph.name.empty() ? "inner" : graph.name;
  for (const Wire& wire : formal) w_.graph.inputs.push_back(value_info(wire));
  GraphExporter exporter(graph, w_);
  std::size_t next = 0;
  for (const Input& input : graph.inputs) exporter.bind(input.node, bound.at(next++));
  for (const Wire& result : exporter.run()) {
    const Wire own = w_.add("Identity", {result}, {}, result.type);
    w_.graph.outputs.push_back(value_info(own));
  }
  OnnxGraph written = std::move(w_.graph);
  w_.graph = std::move(outer);
  return written;
}

Wires GraphExporter::branch(const Node& node, const Wires& inputs) {
  const Wires passed(inputs.begin() + 1, inputs.end());
  OnnxAttrs attrs;
  attrs["then_branch"] = onnx_graph(inner(node.graphs[0], passed, {}));
  attrs["else_branch"] = onnx_graph(inner(node.graphs[1], passed, {}));
  return w_.add("If", {inputs[0]}, std::move(attrs), node.types);
}

// The body of ONNX also gets the condition, and reads what is not carried from outside.
Wires GraphExporter::loop(const Node& node, const Wires& inputs) {
  const auto carried = static_cast<std::size_t>(node.attrs.integer("carried"));
  Wires formal{{w_.unique("trip"), {DType::kI64, {}, {}}},
               {w_.unique("condition"), {DType::kBool, {}, {}}}};
  Wires bound{formal[0]};
  for (std::size_t i = 2; i < inputs.size(); ++i) {
    if (i < 2 + carried) formal.push_back({w_.unique("carried"), inputs[i].type});
    bound.push_back(i < 2 + carried ? formal.back() : inputs[i]);
  }
  OnnxAttrs attrs{{"body", onnx_graph(inner(node.graphs[0], bound, formal))}};
  const Wires given(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(2 + carried));
  return w_.add("Loop", given, std::move(attrs), node.types);
}

// A plain input, or a weight with its elements.
Wire declare(const Graph& graph, const Input& input, OnnxWriter& w) {
  const Node& node = graph.nodes[static_cast<std::size_t>(input.node)];
  if (input.role == Role::kState) {
    fail(ErrorCode::kUnsupported, "state '{}': ONNX has no states", node.name);
  }
  const Wire wire{w.unique(node.name), node.types[0]};
  onnx_code(wire.type.dtype);
  if (input.role == Role::kWeight && !input.value.empty()) {
    w.initializers[wire.name] = {input.value.dense(), {}, {}};
    return wire;
  }
  for (std::size_t axis = 0; axis < wire.type.shape.size(); ++axis) {
    const Dim& dim = wire.type.shape[axis];
    const std::string text = dim.to_string();
    if (dim.is_constant()) continue;
    if (dim != Dim::size(text)) {
      fail(ErrorCode::kUnsupported, "input '{}': ONNX has no name for a size of {}", node.name,
           text);
    }
    w.add_size(text, wire.name, static_cast<std::int64_t>(axis));
  }
  w.graph.inputs.push_back(value_info(wire));
  return wire;
}

OnnxModel exported(const Graph& graph, OnnxWriter& w) {
  require(graph.level == Level::kKernel, "only kernel graphs can be written as ONNX");
  w.graph.name = graph.name.empty() ? "main" : graph.name;
  GraphExporter exporter(graph, w);
  for (const Input& input : graph.inputs) exporter.bind(input.node, declare(graph, input, w));
  std::vector<std::string> names;
  for (const Output& output : graph.outputs) names.push_back(w.unique(output.name));
  const Wires results = exporter.run();
  for (std::size_t i = 0; i < results.size(); ++i) {
    w.graph.nodes.push_back({"Identity", "", names[i], {results[i].name}, {names[i]}, {}});
    w.graph.outputs.push_back(value_info({names[i], results[i].type}));
  }
  OnnxModel model{{{"", w.opset()}}, std::move(w.graph)};
  model.graph.initializers = std::move(w.initializers);
  return model;
}

}  // namespace

void save_onnx(const std::string& path, const Graph& graph) {
  validate(graph);
  OnnxWriter writer(kOpset);
  OnnxModel model = exported(graph, writer);
  if (writer.needed() > kOpset) {
    OnnxWriter newer(kNewerOpset);
    model = exported(graph, newer);
  }
  write_onnx_model(path, model);
}

}  // namespace lamina
