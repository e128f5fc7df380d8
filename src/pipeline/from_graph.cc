// The computation of a graph: costs of its operators and bytes between them.
#include "pipeline/from_graph.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "graph/op_def.h"
#include "pipeline/operator_graph.h"
#include "pipeline/pass_memory.h"

namespace lamina::pipeline {
namespace {

std::size_t at(NodeId node) { return static_cast<std::size_t>(node); }

bool is_float(const Type& type) { return traits(type.dtype).is_float; }

std::string name_of(const Graph& graph, Value v) {
  const std::string& name = graph.nodes[at(v.node)].name;
  return v.output == 0 ? name : fmt::format("{}.{}", name, v.output);
}

// The named size that counts samples: the only one, if any.
std::string samples_name(const Graph& graph) {
  std::string names;
  for (const SizeRange& size : graph.sizes) names += (names.empty() ? "" : ", ") + size.name;
  require(graph.sizes.size() <= 1,
          "graph '{}': all named sizes but that of samples need a value; there are {}", graph.name,
          names);
  return names;
}

// Turns a grouping into a computation. What inference and training share.
class Builder {
 public:
  Builder(const Graph& graph, const PassTime& seconds, const PassSizes& passes)
      : samples_(samples_name(graph)), seconds_(seconds), passes_(passes) {
    require(passes.small > 0 && (passes.large > passes.small || samples_.empty()),
            "passes of {} and {} samples: expected a small and a larger number", passes.small,
            passes.large);
    grouping_ = group_nodes(graph, sizes(1));
    operators_ = operator_graphs(grouping_);
  }

 protected:
  Sizes sizes(std::int64_t count) const {
    return samples_.empty() ? Sizes{} : Sizes{{samples_, count}};
  }
  double bytes(Value v) const { return value_bytes(grouping_.graph.type(v), sizes(1)); }

  struct Times {
    double small = 0.0;
    double large = 0.0;
  };
  // Passes without outputs take no time; equal passes are asked for once.
  Times times(const Graph& pass) {
    if (pass.outputs.empty()) return {};
    const auto [known, is_new] = times_.try_emplace(structure_hash(pass));
    if (is_new) {
      known->second.large = seconds_(pass, sizes(passes_.large));
      known->second.small =
          samples_.empty() ? known->second.large : seconds_(pass, sizes(passes_.small));
    }
    return known->second;
  }

  // A pass of n samples takes the operator's fixed time, that of its forward pass, and n times a
  // rate, which is right for large passes. Without samples a run is a sample.
  void set_times(Operator& op, const Times& forward, double input_gradient_s,
                 double weight_gradient_s) const {
    const auto small = static_cast<double>(passes_.small);
    const auto large = samples_.empty() ? 1.0 : static_cast<double>(passes_.large);
    if (!samples_.empty()) {
      const double slope = std::max(0.0, forward.large - forward.small) / (large - small);
      op.fixed_s = std::max(0.0, forward.large - large * slope);
    }
    const auto rate = [&](double seconds) {
      // A pass that is shorter than the fixed time still takes some.
      constexpr double kLeast = 1e-3;
      return seconds <= 0.0 ? 0.0 : std::max(seconds - op.fixed_s, kLeast * seconds) / large;
    };
    op.forward_s = rate(forward.large);
    op.input_gradient_s = rate(input_gradient_s);
    op.weight_gradient_s = rate(weight_gradient_s);
  }

  // By the first weight that the seed reads, or any other node, or by the seed.
  std::string operator_name(std::size_t index) const {
    const Graph& graph = grouping_.graph;
    const Node& seed = graph.nodes[at(grouping_.seeds[index])];
    std::vector<NodeId> read;
    for (const Value& v : seed.inputs) read.push_back(v.node);
    for (const Input& input : operators_[index].graph.inputs) {
      read.push_back(graph.find(operators_[index].graph.nodes[at(input.node)].name).node);
    }
    for (const NodeId node : read) {
      const Input* input = graph.input(node);
      if (input == nullptr || input->role != Role::kWeight) continue;
      const std::string& name = graph.nodes[at(node)].name;
      constexpr std::string_view kWeight = ".weight";
      return name.ends_with(kWeight) ? name.substr(0, name.size() - kWeight.size()) : name;
    }
    return fmt::format("{} {}", seed.op->name, seed.name);
  }

  double parameter_bytes(const OperatorGraph& op) const {
    double sum = 0.0;
    for (const Input& input : op.graph.inputs) {
      if (input.role != Role::kWeight) continue;
      sum += value_bytes(op.graph.nodes[at(input.node)].types[0], {});
    }
    return sum;
  }

  // Of one sample, when passes hold memory in proportion to it.
  double bytes_per_sample(const std::function<double(const Sizes&)>& bytes_of) const {
    if (samples_.empty()) return bytes_of({});
    const double difference = bytes_of(sizes(passes_.large)) - bytes_of(sizes(passes_.small));
    return std::max(0.0, difference) / static_cast<double>(passes_.large - passes_.small);
  }

  // Several tensors may go from one operator to another. A stage counts the largest edge of one
  // producer: where readers' tensors are not within each other, every reader is given all.
  void add_edges(Computation& computation) const {
    for (std::size_t from = 0; from < operators_.size(); ++from) {
      std::map<int, std::set<Value>> read;
      for (std::size_t to = from + 1; to < operators_.size(); ++to) {
        for (const Value& v : operators_[to].received) {
          if (grouping_.operators[at(v.node)] == static_cast<int>(from)) {
            read[static_cast<int>(to)].insert(v);
          }
        }
      }
      std::set<Value> all;
      for (const auto& [to, values] : read) all.insert(values.begin(), values.end());
      const bool nested = are_nested(read);
      for (const auto& [to, values] : read) {
        double sum = 0.0;
        for (const Value& v : nested ? values : all) sum += bytes(v);
        computation.edges.push_back({static_cast<int>(from), to, sum});
      }
    }
  }

  GraphComputation finish(Computation computation) {
    add_edges(computation);
    validate(computation);
    return {std::move(grouping_.graph), std::move(computation), std::move(grouping_.operators)};
  }

  std::string samples_;
  const PassTime& seconds_;
  PassSizes passes_;
  Grouping grouping_;
  std::vector<OperatorGraph> operators_;

 private:
  static bool are_nested(const std::map<int, std::set<Value>>& read) {
    std::vector<const std::set<Value>*> sets;
    for (const auto& [to, values] : read) sets.push_back(&values);
    std::sort(sets.begin(), sets.end(), [](auto* a, auto* b) { return a->size() < b->size(); });
    for (std::size_t i = 1; i < sets.size(); ++i) {
      if (!std::includes(sets[i]->begin(), sets[i]->end(), sets[i - 1]->begin(),
                         sets[i - 1]->end())) {
        return false;
      }
    }
    return true;
  }

  std::map<GraphHash, Times> times_;
};

class TrainingBuilder : public Builder {
 public:
  TrainingBuilder(const train::Network& network, const PassTime& seconds, const PassSizes& passes)
      : Builder(network.graph, seconds, passes),
        frozen_(network.frozen.begin(), network.frozen.end()) {
    find_needed();
  }

  GraphComputation build(const std::string& name) {
    Computation computation;
    computation.name = name;
    for (std::size_t i = 0; i < operators_.size(); ++i) {
      computation.operators.push_back(cost_of(operators_[i]));
      computation.operators.back().name = operator_name(i);
    }
    for (std::size_t i = 0; i < operators_.size(); ++i) {
      computation.operators[i].saved_bytes += sent_bytes(operators_[i]);
    }
    return finish(std::move(computation));
  }

 private:
  bool is_trained(const Graph& graph, const Input& input) const {
    const Node& node = graph.nodes[at(input.node)];
    return input.role == Role::kWeight && is_float(node.types[0]) && !frozen_.contains(node.name);
  }

  // Nodes through which the loss reaches a weight that is trained.
  void find_needed() {
    const Graph& graph = grouping_.graph;
    std::vector<bool> trained(graph.nodes.size(), false), in_loss(graph.nodes.size(), false);
    for (const Input& input : graph.inputs) trained[at(input.node)] = is_trained(graph, input);
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      for (const Value& v : graph.nodes[n].inputs) {
        if (trained[at(v.node)] && is_float(graph.type(v))) trained[n] = true;
      }
    }
    in_loss[at(graph.outputs[0].value.node)] = true;
    for (std::size_t n = graph.nodes.size(); n-- > 0;) {
      if (!in_loss[n]) continue;
      for (const Value& v : graph.nodes[n].inputs) in_loss[at(v.node)] = true;
    }
    needed_.resize(graph.nodes.size(), false);
    for (std::size_t n = 0; n < needed_.size(); ++n) needed_[n] = trained[n] && in_loss[n];
  }

  bool is_needed(Value v) const { return needed_[at(v.node)] && is_float(grouping_.graph.type(v)); }

  Wanted wanted_of(const OperatorGraph& op) const {
    Wanted wanted;
    const Graph& whole = grouping_.graph;
    for (const Value& v : op.received) {
      if (is_needed(v)) wanted.received.push_back(name_of(whole, v));
    }
    for (const Input& input : op.graph.inputs) {
      if (is_trained(op.graph, input)) {
        wanted.weights.push_back(op.graph.nodes[at(input.node)].name);
      }
    }
    for (const Value& v : op.sent) {
      const bool arrives = is_needed(v) && (v == whole.outputs[0].value || has_reader(v));
      if (arrives) wanted.sent.push_back(name_of(whole, v));
    }
    return wanted;
  }

  bool has_reader(Value v) const {
    return std::any_of(operators_.begin(), operators_.end(), [&](const OperatorGraph& op) {
      return std::count(op.received.begin(), op.received.end(), v) > 0;
    });
  }

  Operator cost_of(const OperatorGraph& op) {
    const Passes passes = make_passes(op, wanted_of(op));
    Operator result;
    const double input_s = times(passes.input_gradient).large;
    const double backward_s = times(passes.backward).large;
    set_times(result, times(passes.forward), input_s, std::max(0.0, backward_s - input_s));
    result.parameter_bytes = parameter_bytes(op);
    std::set<std::string> sent;
    for (const Value& v : op.sent) sent.insert(name_of(grouping_.graph, v));
    for (const std::string& name : passes.kept) {
      if (sent.contains(name)) {
        kept_.insert(name);
        continue;
      }
      const Type type = passes.forward.type(passes.forward.find(name));
      result.saved_bytes += value_bytes(type, sizes(1));
    }
    kept_.insert(passes.kept_received.begin(), passes.kept_received.end());
    for (const Value& v : op.data) result.saved_bytes += bytes(v);
    result.workspace_bytes = bytes_per_sample([&](const Sizes& sizes) {
      return std::max(workspace_bytes(passes.forward, sizes),
                      workspace_bytes(passes.backward, sizes));
    });
    return result;
  }

  // What is sent and read backward is kept by its sender: its readers may be of the same stage.
  double sent_bytes(const OperatorGraph& op) const {
    double sum = 0.0;
    for (const Value& v : op.sent) {
      if (kept_.contains(name_of(grouping_.graph, v))) sum += bytes(v);
    }
    return sum;
  }

  std::set<std::string> frozen_;
  std::vector<bool> needed_;
  std::set<std::string> kept_;  // names of tensors between operators that some backward pass reads
};

class InferenceBuilder : public Builder {
 public:
  using Builder::Builder;

  GraphComputation build(const std::string& name) {
    Computation computation;
    computation.name = name;
    for (std::size_t i = 0; i < operators_.size(); ++i) {
      const Graph& graph = operators_[i].graph;
      Operator& op = computation.operators.emplace_back();
      op.name = operator_name(i);
      op.parameter_bytes = parameter_bytes(operators_[i]);
      const Times forward = times(graph);
      set_times(op, forward, forward.large, op.parameter_bytes > 0.0 ? forward.large : 0.0);
      for (const Node& node : graph.nodes) {
        if (node.op->name == "reshape" || node.inputs.empty()) continue;
        for (const Type& type : node.types) op.saved_bytes += value_bytes(type, sizes(1));
      }
      for (const Value& v : operators_[i].data) op.saved_bytes += bytes(v);
      op.workspace_bytes =
          bytes_per_sample([&](const Sizes& sizes) { return workspace_bytes(graph, sizes); });
    }
    return finish(std::move(computation));
  }
};

}  // namespace

GraphComputation graph_computation(const train::Network& network, const PassTime& seconds,
                                   const PassSizes& passes) {
  train::validate(network);
  return TrainingBuilder(network, seconds, passes).build(network.name);
}

GraphComputation graph_computation(const Graph& model, const PassTime& seconds,
                                   const PassSizes& passes) {
  validate(model);
  return InferenceBuilder(model, seconds, passes).build(model.name);
}

}  // namespace lamina::pipeline
