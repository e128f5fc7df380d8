// ONNX models in: binds inputs and initializers, converts the nodes in order, names the outputs.
#include <algorithm>
#include <set>

#include "io/onnx.h"
#include "io/onnx_rules.h"

namespace lamina {
namespace {

constexpr std::int64_t kNewestOpset = 22;

std::string describe(const OnnxNode& node) {
  const std::string op = node.domain.empty() ? node.op : node.domain + "." + node.op;
  std::string name = node.name;
  for (const std::string& output : node.outputs) {
    if (name.empty()) name = output;
  }
  return fmt::format("{} '{}'", op, name);
}

// One import of a model with the chosen inputs fixed.
class Importer {
 public:
  Importer(const OnnxModel& model, const LoadOptions& options, const std::set<std::string>& fixed)
      : model_(model), options_(options), fixed_(fixed) {}

  Graph run() {
    graph_.name = clean_name(model_.graph.name.empty() ? "main" : model_.graph.name);
    OnnxBuilder builder(graph_);
    OnnxScope scope{builder, nullptr, standard_opset(), {}};
    bind_initializers(model_.graph, scope);
    for (const OnnxValueInfo& input : model_.graph.inputs) bind_input(input, scope);
    for (const auto& [name, value] : options_.sizes) {
      require(used_sizes_.count(name) != 0, "graph '{}' has no size '{}'", graph_.name, name);
    }
    const std::vector<Item> outputs = convert_graph(model_.graph, scope);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      add_output(model_.graph.outputs[i], outputs[i], builder);
    }
    validate(graph_);
    return std::move(graph_);
  }

 private:
  std::int64_t standard_opset() const {
    const auto found = model_.opsets.find("");
    // A model may use operators of other domains only.
    if (found == model_.opsets.end()) return kNewestOpset;
    if (found->second < 1 || found->second > kNewestOpset) {
      fail(ErrorCode::kUnsupported, "ONNX opset {} (1 to {} are supported)", found->second,
           kNewestOpset);
    }
    return found->second;
  }

  const Tensor* fixed_value(const std::string& name) const {
    for (const std::string& key : {name, clean_name(name)}) {
      const auto found = options_.fixed_inputs.find(key);
      if (found == options_.fixed_inputs.end()) continue;
      if (!options_.fix_only_needed || fixed_.count(clean_name(name)) != 0) return &found->second;
    }
    return nullptr;
  }

  void bind_input(const OnnxValueInfo& input, OnnxScope& scope) {
    if (const Tensor* value = fixed_value(input.name)) {
      require(input.type.dtype.value_or(value->dtype()) == value->dtype(),
              "input '{}' is {}, its fixed value {}", input.name, input.type.text,
              traits(value->dtype()).name);
      scope.items[input.name] = constant_item(*value);
      return;
    }
    if (scope.items.count(input.name) != 0) return;  // an initializer: the default of the input
    if (!input.type.is_tensor || !input.type.dtype) {
      fail(ErrorCode::kUnsupported, "input '{}' is of type {}", input.name, input.type.text);
    }
    if (!input.type.shape) {
      fail(ErrorCode::kUnsupported, "input '{}' has no declared shape: fix its value", input.name);
    }
    Type type{*input.type.dtype, {}, {}};
    for (std::size_t i = 0; i < input.type.shape->size(); ++i) {
      type.shape.push_back(input_dim(input, i));
    }
    scope.items[input.name] = scope.builder.add_input(clean_name(input.name), type);
  }

  Dim input_dim(const OnnxValueInfo& input, std::size_t axis) {
    const OnnxDim& dim = (*input.type.shape)[axis];
    if (dim.value) return *dim.value;
    const std::string name =
        clean_name(dim.name.empty() ? fmt::format("{}_{}", input.name, axis) : dim.name);
    for (const std::string& key : {dim.name, name}) {
      const auto bound = options_.sizes.find(key);
      if (bound == options_.sizes.end()) continue;
      used_sizes_.insert(key);
      return bound->second;
    }
    const auto known = [&](const SizeRange& size) { return size.name == name; };
    if (std::none_of(graph_.sizes.begin(), graph_.sizes.end(), known)) {
      graph_.sizes.push_back({name});
    }
    return Dim::size(name);
  }

  void add_output(const OnnxValueInfo& output, const Item& item, OnnxBuilder& builder) {
    if (item.list) {
      fail(ErrorCode::kUnsupported, "output '{}' is a sequence of tensors", output.name);
    }
    if (output.type.is_tensor && !output.type.dtype) {
      fail(ErrorCode::kUnsupported, "output '{}' is of type {}", output.name, output.type.text);
    }
    require(output.type.dtype.value_or(item.dtype) == item.dtype,
            "output '{}' is declared {}, but computed as {}", output.name, output.type.text,
            traits(item.dtype).name);
    builder.set_name(clean_name(output.name));
    graph_.add_output(clean_name(output.name), builder.put(item));
  }

  const OnnxModel& model_;
  const LoadOptions& options_;
  const std::set<std::string>& fixed_;
  Graph graph_;
  std::set<std::string> used_sizes_;  // of LoadOptions::sizes
};

std::vector<Item> convert_node(const OnnxNode& node, OnnxScope& scope) {
  const auto rule = onnx_rules().find(node.op);
  if (!node.domain.empty() || rule == onnx_rules().end()) {
    fail(ErrorCode::kUnsupported, "operator not supported");
  }
  if (scope.opset < rule->second.since) {
    fail(ErrorCode::kUnsupported, "the form of opset {} is not supported (from {} on it is)",
         scope.opset, rule->second.since);
  }
  OnnxCall call(node, scope);
  bool known = true;
  for (const std::string& name : node.inputs) {
    call.inputs.push_back(name.empty() ? Item{} : scope.find(name));
    known = known && !call.inputs.back().sizes;
  }
  for (const std::string& name : node.outputs) {
    if (!name.empty()) {
      scope.builder.set_name(clean_name(name));
      break;
    }
  }
  if (!known) {
    if (auto folded = fold_sizes(call)) return {*folded};
  }
  return rule->second.convert(call);
}

// The words of an inner error, with the node in front.
[[noreturn]] void fail_at(const OnnxNode& node, const Error& error) {
  const ErrorCode code =
      error.code() == ErrorCode::kNotFound ? ErrorCode::kUnsupported : error.code();
  throw Error(code, fmt::format("{}: {}", describe(node), error.what()));
}

// Nodes must come after what they read.
void require_defined(const OnnxGraph& graph, std::size_t at, const OnnxScope& scope) {
  const OnnxNode& node = graph.nodes[at];
  for (const std::string& name : node.inputs) {
    if (name.empty() || scope.has(name)) continue;
    for (std::size_t later = at; later < graph.nodes.size(); ++later) {
      const auto& outputs = graph.nodes[later].outputs;
      require(std::find(outputs.begin(), outputs.end(), name) == outputs.end(),
              "{} reads '{}' before {} computes it: a cycle, or nodes out of order", describe(node),
              name, describe(graph.nodes[later]));
    }
    require(false, "{} reads '{}', which nothing defines", describe(node), name);
  }
}

}  // namespace

bool OnnxScope::has(const std::string& name) const {
  return items.count(name) != 0 || (outer != nullptr && outer->has(name));
}

Item OnnxScope::find(const std::string& name) const {
  const auto found = items.find(name);
  if (found != items.end()) return found->second;
  require(outer != nullptr, "nothing is called '{}'", name);
  Item item = outer->find(name);
  // A graph that is not inlined sees computed values of its surroundings as inputs.
  if (&outer->builder == &builder || item.value.node < 0) return item;
  return builder.capture(item);
}

void bind_initializers(const OnnxGraph& graph, OnnxScope& scope) {
  for (const auto& [name, tensor] : graph.initializers) {
    if (!tensor.unsupported.empty()) {
      fail(ErrorCode::kUnsupported, "initializer '{}' is of type {}", name, tensor.unsupported);
    }
    Item item = constant_item(tensor.tensor);
    item.name = clean_name(name);
    item.exact = tensor.exact;
    scope.items[name] = item;
  }
}

namespace {

// Whoever reads an output of the graph sees it as stored; so do the nodes that read it.
void round_read_outputs(const OnnxGraph& graph, std::size_t at, OnnxScope& scope) {
  for (const std::string& name : graph.nodes[at].outputs) {
    const auto called = [&](const auto& value) { return value.name == name; };
    const auto reads = [&](const OnnxNode& node) {
      return std::find(node.inputs.begin(), node.inputs.end(), name) != node.inputs.end();
    };
    const auto found = scope.items.find(name);
    if (found == scope.items.end() || found->second.value.node < 0) continue;
    if (!traits(found->second.dtype).is_float) continue;
    if (std::none_of(graph.outputs.begin(), graph.outputs.end(), called)) continue;
    if (std::none_of(graph.nodes.begin(), graph.nodes.end(), reads)) continue;
    found->second = scope.builder.rounded(found->second);
  }
}

}  // namespace

std::vector<Item> convert_graph(const OnnxGraph& graph, OnnxScope& scope) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const OnnxNode& node = graph.nodes[i];
    require_defined(graph, i, scope);
    std::vector<Item> outputs;
    try {
      outputs = convert_node(node, scope);
    } catch (const Error& error) {
      fail_at(node, error);
    }
    for (std::size_t k = 0; k < node.outputs.size(); ++k) {
      const std::string& name = node.outputs[k];
      if (name.empty()) continue;
      if (k >= outputs.size() || outputs[k].absent) {
        fail(ErrorCode::kUnsupported, "{}: output {} is not supported", describe(node), k);
      }
      require(scope.items.emplace(name, outputs[k]).second, "{}: the name '{}' is defined twice",
              describe(node), name);
    }
    if (scope.outer == nullptr) round_read_outputs(graph, i, scope);
  }
  std::vector<Item> outputs;
  for (const OnnxValueInfo& output : graph.outputs) {
    require(scope.has(output.name), "nothing defines the output '{}'", output.name);
    outputs.push_back(scope.find(output.name));
  }
  return outputs;
}

const std::map<std::string_view, OnnxRule>& onnx_rules() {
  static const std::map<std::string_view, OnnxRule> rules = [] {
    std::map<std::string_view, OnnxRule> map;
    for (const auto& family :
         {onnx_elementwise_rules(), onnx_shape_rules(), onnx_move_rules(), onnx_make_rules(),
          onnx_reduce_rules(), onnx_gather_rules(), onnx_conv_rules(), onnx_nn_rules(),
          onnx_loss_rules(), onnx_rnn_rules(), onnx_resize_rules(), onnx_quant_rules(),
          onnx_control_rules(), onnx_sequence_rules(), onnx_signal_rules(), onnx_grid_rules()}) {
      for (const OnnxRule& rule : family) map.emplace(rule.op, rule);
    }
    return map;
  }();
  return rules;
}

// The outermost message of a model is a field with number 1 (ir_version, a varint) or 8 (opsets).
bool looks_like_onnx(std::string_view head) {
  return head.size() >= 2 && (head[0] == 0x08 || head[0] == 0x42) && head[1] != 0;
}

Graph load_onnx(const std::string& path, const LoadOptions& options) {
  const OnnxModel model = read_onnx_model(path);
  std::set<std::string> fixed;
  for (;;) {
    try {
      return Importer(model, options, fixed).run();
    } catch (const NeedsInputs& needs) {
      for (const std::string& name : needs.names) {
        bool given = false;
        for (const auto& [key, value] : options.fixed_inputs) {
          given = given || clean_name(key) == name;
        }
        if (!given || !options.fix_only_needed || !fixed.insert(name).second) {
          fail(ErrorCode::kUnsupported,
               "{} depends on the input '{}': give its value when loading the model (--fix "
               "{}=FILE.npy)",
               needs.what, name, name);
        }
      }
    }
  }
}

}  // namespace lamina
