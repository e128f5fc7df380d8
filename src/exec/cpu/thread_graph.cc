// Gathers the nodes of each pass into an inner graph.
#include "exec/cpu/thread_graph.h"

#include <algorithm>
#include <map>

#include "graph/op_def.h"

namespace lamina::cpu {
namespace {

using Form = BlockValue::Form;

class ThreadGraphs {
 public:
  explicit ThreadGraphs(const BlockPlan& plan) : plan_(plan) {
    out_.name = plan.graph.name;
    out_.level = plan.graph.level;
    out_.sizes = plan.graph.sizes;
    for (const Input& input : plan.graph.inputs) {
      const Node& node = plan.node(input.node);
      values_[input.node] = input.role == Role::kState
                                ? out_.add_state(node.name, node.types[0], input.initial)
                                : out_.add_input(node.name, node.types[0], input.role);
    }
  }

  Graph run(std::span<const ThreadPass> passes) {
    for (const ThreadPass& pass : passes) add(pass);
    for (const Update& update : plan_.graph.updates) {
      out_.add_update(values_.at(update.state), value(update.next.node));
    }
    for (const Output& output : plan_.graph.outputs) {
      out_.add_output(output.name, value(output.value.node));
    }
    return std::move(out_);
  }

 private:
  // A thread graph while it grows.
  struct Inner {
    const ThreadPass& pass;
    Graph graph;
    std::map<NodeId, Value> values;
    std::vector<Value> operands;  // in the block graph
  };

  // In the block graph. What no pass computes is a load, a view, or the like.
  Value value(NodeId id) {
    if (const auto known = values_.find(id); known != values_.end()) return known->second;
    const Node& node = plan_.node(id);
    std::vector<Value> inputs;
    for (const Value& input : node.inputs) inputs.push_back(value(input.node));
    return values_[id] = out_.add(node.op->name, inputs, node.attrs, node.name);
  }

  bool is_computed(const Inner& inner, NodeId id) const {
    if (inner.pass.addend && inner.pass.addend->node == id) return false;
    const std::vector<NodeId>& made = inner.pass.values;
    if (std::find(made.begin(), made.end(), id) != made.end()) return true;
    const Form form = plan_.value(id).form;
    return form == Form::kInline || form == Form::kNumber || form == Form::kCounter ||
           plan_.is_accumulated(id);
  }

  Value value(Inner& inner, NodeId id) {
    if (const auto known = inner.values.find(id); known != inner.values.end()) return known->second;
    const Node& node = plan_.node(id);
    if (!is_computed(inner, id)) {
      inner.operands.push_back(value(id));
      return inner.values[id] = inner.graph.add_input(node.name, node.types[0]);
    }
    std::vector<Value> inputs;
    for (const Value& input : node.inputs) inputs.push_back(value(inner, input.node));
    return inner.values[id] = inner.graph.add(node.op->name, inputs, node.attrs, node.name);
  }

  void add(const ThreadPass& pass) {
    if (pass.values.empty()) return;
    Inner inner{pass, {}, {}, {}};
    inner.graph.level = Level::kThread;
    inner.graph.sizes = out_.sizes;
    for (const NodeId id : pass.values) {
      const Value result = value(inner, id);
      inner.graph.add_output(plan_.node(id).name, result);
    }
    const Value thread = out_.add("thread", inner.operands,
                                  {{"tile", pass.tile}, {"lanes", pass.lanes}}, "", {inner.graph});
    for (std::size_t k = 0; k < pass.values.size(); ++k) {
      values_[pass.values[k]] = {thread.node, static_cast<std::int32_t>(k)};
    }
  }

  const BlockPlan& plan_;
  Graph out_;
  std::map<NodeId, Value> values_;
};

}  // namespace

Graph thread_graph(const BlockPlan& plan, std::span<const ThreadPass> passes) {
  return ThreadGraphs(plan).run(passes);
}

}  // namespace lamina::cpu
