// Cutting graphs: one operator out of a network, and its backward pass out of its gradient.
#include "pipeline/operator_graph.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "graph/op_def.h"
#include "graph/simplify.h"

namespace lamina::pipeline {
namespace {

std::size_t at(NodeId node) { return static_cast<std::size_t>(node); }

// The name of a value in the text form.
std::string name_of(const Graph& graph, Value v) {
  const std::string& name = graph.nodes[at(v.node)].name;
  return v.output == 0 ? name : fmt::format("{}.{}", name, v.output);
}

// Copies some nodes of a graph; what they read from others becomes an input.
class Cutter {
 public:
  explicit Cutter(const Graph& whole) : whole_(whole) {
    out_.name = whole.name;
    out_.sizes = whole.sizes;
  }

  void copy_node(NodeId id) {
    Node node = whole_.nodes[at(id)];
    for (Value& v : node.inputs) v = place(v);
    out_.nodes.push_back(std::move(node));
    for (std::size_t k = 0; k < out_.nodes.back().types.size(); ++k) {
      const auto output = static_cast<std::int32_t>(k);
      places_[{id, output}] = {static_cast<NodeId>(out_.nodes.size() - 1), output};
    }
  }

  void output(const std::string& name, Value v) { out_.add_output(name, place(v)); }

  Graph take() { return std::move(out_); }
  // Values of the whole graph that are inputs here and none there, in order.
  const std::vector<Value>& cut() const { return cut_; }

 private:
  Value place(Value v) {
    const auto found = places_.find(v);
    if (found != places_.end()) return found->second;
    const Input* input = whole_.input(v.node);
    const Value added = out_.add_input(name_of(whole_, v), whole_.type(v),
                                       input == nullptr ? Role::kInput : input->role);
    if (input == nullptr) {
      cut_.push_back(v);
    } else {
      out_.inputs.back().value = input->value;
    }
    return places_[v] = added;
  }

  const Graph& whole_;
  Graph out_;
  std::map<Value, Value> places_;
  std::vector<Value> cut_;
};

std::set<Value> sent_values(const Grouping& grouping) {
  std::set<Value> sent;
  const Graph& graph = grouping.graph;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const Value& v : graph.nodes[n].inputs) {
      const int from = grouping.operators[at(v.node)];
      if (from >= 0 && from != grouping.operators[n]) sent.insert(v);
    }
  }
  for (const Output& output : graph.outputs) sent.insert(output.value);
  for (const Update& update : graph.updates) sent.insert(update.next);
  return sent;
}

// Costs little and no memory: done again backward instead of kept.
bool is_done_again(const Node& node) {
  return node.op->name == "reshape" || node.op->name == "broadcast" ||
         (node.inputs.empty() && node.op->name != "input");
}

// The gradient of an operator in one graph, and where its forward part ends.
class GradientGraph {
 public:
  GradientGraph(const Graph& forward, const Wanted& wanted, bool with_weights) {
    Graph loss = with_loss(forward, wanted.sent);
    std::vector<Value> inputs;
    for (const std::string& name : wanted.received) inputs.push_back(loss.find(name));
    if (with_weights) {
      for (const std::string& name : wanted.weights) inputs.push_back(loss.find(name));
    }
    if (inputs.empty()) return;
    first_gradient_ = loss.outputs.size();
    graph_ = gradient(loss, inputs);
    const Graph before = simplify(loss, [](const OpDef& op) { return op.gradient == nullptr; });
    for (const Node& node : before.nodes) forward_names_.insert(node.name);
    is_needed_.resize(graph_.nodes.size(), false);
    for (std::size_t i = first_gradient_; i < graph_.outputs.size(); ++i) {
      need(graph_.outputs[i].value.node);
    }
  }

  // What runs backward; `kept` and `kept_received` get what it reads of the forward pass.
  Graph cut(Passes& passes) const {
    Cutter cutter(graph_);
    for (std::size_t n = 0; n < is_needed_.size(); ++n) {
      if (is_needed_[n]) cutter.copy_node(static_cast<NodeId>(n));
    }
    for (std::size_t i = first_gradient_; i < graph_.outputs.size(); ++i) {
      cutter.output(graph_.outputs[i].name, graph_.outputs[i].value);
    }
    for (const Value& v : cutter.cut()) passes.kept.push_back(name_of(graph_, v));
    Graph result = cutter.take();
    for (const Input& input : result.inputs) {
      const std::string& name = result.nodes[at(input.node)].name;
      const bool kept = std::count(passes.kept.begin(), passes.kept.end(), name) > 0;
      if (input.role != Role::kWeight && !kept && !name.starts_with(kSeed)) {
        passes.kept_received.push_back(name);
      }
    }
    return result;
  }

 private:
  static constexpr std::string_view kSeed = "seed_";

  // First output: the sum of what is sent times the gradients that arrive. The others stay, so that
  // expansions give their nodes the names that they have in the forward pass.
  static Graph with_loss(const Graph& forward, const std::vector<std::string>& sent) {
    Graph graph = forward;
    Value loss;
    for (const std::string& name : sent) {
      const Value y = graph.find(name);
      const Value seed = graph.add_input(std::string(kSeed) + name, graph.type(y));
      const Value part = graph.add("sum", {graph.add("mul", {y, seed})});
      loss = loss.node < 0 ? part : graph.add("add", {loss, part});
    }
    graph.outputs.insert(graph.outputs.begin(), Output{"loss", loss});
    return graph;
  }

  // Backward nodes, and what they read that is done again.
  void need(NodeId id) {
    const Node& node = graph_.nodes[at(id)];
    const bool is_forward = forward_names_.contains(node.name);
    if (is_needed_[at(id)] || node.op->name == "input" || (is_forward && !is_done_again(node))) {
      return;
    }
    is_needed_[at(id)] = true;
    for (const Value& v : node.inputs) need(v.node);
  }

  Graph graph_;
  std::size_t first_gradient_ = 0;
  std::set<std::string> forward_names_;
  std::vector<bool> is_needed_;
};

void sort_unique(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace

std::vector<OperatorGraph> operator_graphs(const Grouping& grouping) {
  const Graph& whole = grouping.graph;
  const std::set<Value> sent = sent_values(grouping);
  std::vector<std::vector<NodeId>> nodes(grouping.seeds.size());
  for (std::size_t n = 0; n < whole.nodes.size(); ++n) {
    if (grouping.operators[n] < 0) continue;
    nodes[static_cast<std::size_t>(grouping.operators[n])].push_back(static_cast<NodeId>(n));
  }
  std::vector<OperatorGraph> result;
  for (const std::vector<NodeId>& own : nodes) {
    OperatorGraph& op = result.emplace_back();
    Cutter cutter(whole);
    for (const NodeId id : own) cutter.copy_node(id);
    for (const NodeId id : own) {
      for (std::size_t k = 0; k < whole.nodes[at(id)].types.size(); ++k) {
        const Value v{id, static_cast<std::int32_t>(k)};
        if (!sent.contains(v)) continue;
        op.sent.push_back(v);
        cutter.output(name_of(whole, v), v);
      }
    }
    op.received = cutter.cut();
    op.graph = cutter.take();
    for (const Input& input : op.graph.inputs) {
      const Value v = whole.find(op.graph.nodes[at(input.node)].name);
      const bool is_data = whole.input(v.node) != nullptr && input.role != Role::kWeight;
      if (is_data) op.data.push_back(v);
    }
  }
  return result;
}

Passes make_passes(const OperatorGraph& op, const Wanted& wanted) {
  Passes passes;
  if (!wanted.sent.empty()) {
    const GradientGraph inputs(op.graph, wanted, false);
    const GradientGraph all(op.graph, wanted, true);
    passes.input_gradient = inputs.cut(passes);
    passes.backward = all.cut(passes);
  }
  sort_unique(passes.kept);
  sort_unique(passes.kept_received);
  passes.forward = simplify(op.graph, [](const OpDef& def) { return def.gradient == nullptr; });
  for (const std::string& name : passes.kept) {
    const Value v = passes.forward.find(name);
    const bool is_sent = std::any_of(passes.forward.outputs.begin(), passes.forward.outputs.end(),
                                     [&](const Output& output) { return output.value == v; });
    if (!is_sent) passes.forward.add_output(name, v);
  }
  return passes;
}

}  // namespace lamina::pipeline
