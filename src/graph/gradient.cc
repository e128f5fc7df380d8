// Reverse-mode differentiation: a walk backward over the graph that adds the gradient rules' nodes.
#include <map>

#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/pull_back.h"
#include "graph/shaping.h"
#include "graph/simplify.h"

namespace lamina {
namespace {

bool is_float(const Type& type) { return traits(type.dtype).is_float; }

// Adds the gradient nodes behind the forward nodes of a graph.
class Backward {
 public:
  Backward(Graph& graph, std::span<const NodeId> inputs) : graph_(graph) {
    needed_.resize(graph.nodes.size(), false);
    for (const NodeId input : inputs) needed_[static_cast<std::size_t>(input)] = true;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      for (const Value& v : graph.nodes[n].inputs) {
        if (needed(v)) needed_[n] = true;
      }
    }
  }

  // Gradients of the same value are added, in this order.
  void seed(Value value, Value grad) {
    const auto [entry, first] = grads_.try_emplace(value, grad);
    if (!first) entry->second = graph_.add("add", {entry->second, grad});
  }

  void walk() {
    for (std::size_t n = needed_.size(); n-- > 0;) {
      if (needed_[n] && graph_.nodes[n].op->name != "input") visit(static_cast<NodeId>(n));
    }
  }

  // The gradient that arrived at an input: zeros when the loss does not depend on it.
  Value grad(Value input) {
    const auto found = grads_.find(input);
    return found != grads_.end() ? found->second : filled(graph_, Type(graph_.type(input)), 0.0);
  }

 private:
  // Whether gradients flow into `v`.
  bool needed(Value v) const {
    return needed_[static_cast<std::size_t>(v.node)] && is_float(graph_.type(v));
  }

  void visit(NodeId id) {
    const auto n = static_cast<std::size_t>(id);
    std::vector<Value> arrived(graph_.nodes[n].types.size());
    bool any = false;
    for (std::size_t k = 0; k < arrived.size(); ++k) {
      const auto found = grads_.find({id, static_cast<std::int32_t>(k)});
      if (found == grads_.end()) continue;
      arrived[k] = found->second;
      any = true;
    }
    if (!any) return;
    const OpDef& op = *graph_.nodes[n].op;
    if (op.gradient == nullptr) {
      fail(ErrorCode::kUnsupported, "operator '{}' has no gradient (node '{}')", op.name,
           graph_.nodes[n].name);
    }
    const std::vector<Value> grads = op.gradient({graph_, id, arrived});
    const std::vector<Value> inputs = graph_.nodes[n].inputs;
    check(grads.size() == inputs.size(), "{} gives {} gradients for {} inputs", op.name,
          grads.size(), inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (grads[i].node >= 0 && needed(inputs[i])) contribute(op, inputs[i], grads[i]);
    }
  }

  void contribute(const OpDef& op, Value to, Value grad) {
    const Type wanted = graph_.type(to);
    check(graph_.type(grad).shape == wanted.shape, "the gradient of {} has the shape {} for {}",
          op.name, to_string(graph_.type(grad).shape), to_string(wanted.shape));
    if (graph_.type(grad).dtype != wanted.dtype) {
      grad = graph_.add("cast", {grad}, {{"dtype", wanted.dtype}});
    }
    seed(to, grad);
  }

  Graph& graph_;
  std::vector<bool> needed_;      // forward nodes that depend on the inputs in question
  std::map<Value, Value> grads_;  // of forward values, as far as they arrived
};

// The place of `input` among the inputs of `graph`.
std::size_t input_index(const Graph& graph, Value input) {
  for (std::size_t k = 0; k < graph.inputs.size(); ++k) {
    if (graph.inputs[k].node == input.node) return k;
  }
  fail(ErrorCode::kInvalidArgument, "gradient: value {} of graph '{}' is not an input", input.node,
       graph.name);
}

Graph simplified(const Graph& graph) {
  return simplify(graph, [](const OpDef& op) { return op.gradient == nullptr; });
}

// The input nodes of `result` that `with_respect_to` are in `graph`.
std::vector<NodeId> wanted_inputs(const Graph& graph, const Graph& result,
                                  std::span<const Value> with_respect_to) {
  std::vector<NodeId> inputs;
  for (const Value& v : with_respect_to) {
    require(is_float(graph.type(v)), "gradient: '{}' is not a float", graph.node(v).name);
    inputs.push_back(result.inputs[input_index(graph, v)].node);
  }
  return inputs;
}

void finish(Graph& result, Backward& backward, std::span<const NodeId> inputs) {
  backward.walk();
  for (const NodeId input : inputs) {
    const std::string name = "grad_" + result.nodes[static_cast<std::size_t>(input)].name;
    result.add_output(name, backward.grad({input, 0}));
  }
  drop_dead_nodes(result);
}

}  // namespace

Graph gradient(const Graph& graph, std::span<const Value> with_respect_to) {
  require(!graph.outputs.empty(), "gradient: graph '{}' has no output", graph.name);
  require(is_float(graph.type(graph.outputs[0].value)), "gradient: output '{}' is not a float",
          graph.outputs[0].name);
  Graph result = simplified(graph);
  const std::vector<NodeId> inputs = wanted_inputs(graph, result, with_respect_to);
  Backward backward(result, inputs);
  const Value loss = result.outputs[0].value;
  backward.seed(loss, filled(result, result.type(loss), 1.0));
  finish(result, backward, inputs);
  return result;
}

Graph pull_back(const Graph& graph, std::span<const std::size_t> seeded,
                std::span<const Value> with_respect_to) {
  Graph result = simplified(graph);
  const std::vector<NodeId> inputs = wanted_inputs(graph, result, with_respect_to);
  Backward backward(result, inputs);
  for (const std::size_t k : seeded) {
    const Output output = result.outputs.at(k);
    const Type type = result.type(output.value);
    require(is_float(type), "gradient: output '{}' is not a float", output.name);
    backward.seed(output.value, result.add_input("seed_" + output.name, type));
  }
  finish(result, backward, inputs);
  return result;
}

}  // namespace lamina
