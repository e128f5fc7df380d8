// Programs of stages.
#include "pipeline/run/stage_program.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/check.h"
#include "graph/pull_back.h"
#include "graph/simplify.h"
#include "lamina/train.h"
#include "pipeline/run/extract.h"
#include "pipeline/shares.h"

namespace lamina::pipeline {
namespace {

constexpr int kEverywhere = -1;

std::size_t at(NodeId node) { return static_cast<std::size_t>(node); }

bool is_float(const Graph& graph, Value v) { return traits(graph.type(v).dtype).is_float; }

// What the network says about its nodes.
struct Analysis {
  std::vector<bool> live;     // the loss needs it
  std::vector<bool> trained;  // depends on a weight that is trained, through floats
  std::vector<bool> useful;   // the loss depends on it through floats
  std::vector<int> stage;     // kEverywhere: inputs, and what depends on none
};

std::vector<bool> live_nodes(const Graph& graph) {
  std::vector<bool> live(graph.nodes.size(), false);
  live[at(graph.outputs[0].value.node)] = true;
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    if (!live[n]) continue;
    for (const Value v : graph.nodes[n].inputs) live[at(v.node)] = true;
  }
  return live;
}

bool is_trained(const Graph& graph, const Input& input, std::span<const std::string> frozen) {
  const std::string& name = graph.nodes[at(input.node)].name;
  return input.role == Role::kWeight && is_float(graph, {input.node, 0}) &&
         std::find(frozen.begin(), frozen.end(), name) == frozen.end();
}

std::vector<bool> trained_nodes(const Graph& graph, std::span<const std::string> frozen) {
  std::vector<bool> trained(graph.nodes.size(), false);
  for (const Input& input : graph.inputs) {
    trained[at(input.node)] = is_trained(graph, input, frozen);
  }
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const Value v : graph.nodes[n].inputs) {
      if (trained[at(v.node)] && is_float(graph, v)) trained[n] = true;
    }
  }
  return trained;
}

std::vector<bool> useful_nodes(const Graph& graph) {
  std::vector<bool> useful(graph.nodes.size(), false);
  useful[at(graph.outputs[0].value.node)] = true;
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    if (!useful[n]) continue;
    for (const Value v : graph.nodes[n].inputs) {
      if (is_float(graph, v)) useful[at(v.node)] = true;
    }
  }
  return useful;
}

std::vector<int> stages_of_nodes(const GraphComputation& network, const Plan& plan) {
  const std::vector<int> of_operator = stage_of_operators(network.computation, plan);
  std::set<Value> inputs;
  for (const Input& input : network.graph.inputs) inputs.insert({input.node, 0});
  const std::vector<bool> constant = independent_of(network.graph, inputs);
  std::vector<int> stages(network.graph.nodes.size(), kEverywhere);
  for (std::size_t n = 0; n < stages.size(); ++n) {
    const int op = network.operators.at(n);
    if (op >= 0 && !constant[n]) stages[n] = of_operator.at(static_cast<std::size_t>(op));
    check(stages[n] >= 0 || constant[n] || op_name(network.graph.nodes[n]) == "input",
          "node '{}' belongs to no operator", network.graph.nodes[n].name);
  }
  return stages;
}

void refuse_unsupported(const Graph& graph) {
  require(!graph.outputs.empty(), "network '{}' has no loss", graph.name);
  if (!graph.updates.empty()) {
    fail(ErrorCode::kUnsupported, "network '{}' has state", graph.name);
  }
  for (const Input& input : graph.inputs) {
    const Node& node = graph.nodes[at(input.node)];
    const bool other = input.role == Role::kState ||
                       (input.role == Role::kWeight && traits(node.types[0].dtype).is_float &&
                        node.types[0].dtype != DType::kF32 && node.types[0].dtype != DType::kBF16);
    if (other) {
      fail(ErrorCode::kUnsupported,
           "network '{}': '{}' is a state, or a weight that is neither f32 nor bf16", graph.name,
           node.name);
    }
  }
}

// The multiple of N that the dimension is; 0: none of it.
std::int64_t multiple_of_samples(const Dim& dim) {
  if (dim.constant_part() != 0 || dim.terms().size() != 1) return 0;
  const Dim::Term& term = dim.terms()[0];
  const bool is_n = term.factors.size() == 1 && term.factors[0].kind == Dim::Factor::Kind::kSize &&
                    term.factors[0].name == train::kSamples;
  return is_n ? term.coefficient : 0;
}

EdgeTensor edge_tensor(const Graph& graph, Value value, bool gradient) {
  EdgeTensor tensor{value, -1, 0, gradient};
  const Dims& shape = graph.type(value).shape;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const std::int64_t rows = multiple_of_samples(shape[axis]);
    if (rows == 0) continue;
    if (tensor.axis >= 0) return {value, -1, 0, gradient};  // which of the two?
    tensor.axis = static_cast<int>(axis);
    tensor.rows = rows;
  }
  return tensor;
}

bool equal_shares(const Stage& a, const Stage& b) {
  return a.micro_batch == b.micro_batch && a.devices.size() == b.devices.size();
}

class TensorsOfEdges {
 public:
  TensorsOfEdges(const GraphComputation& network, const Plan& plan, const Analysis& analysis,
                 const StageGraph& graph)
      : network_(network), plan_(plan), analysis_(analysis), graph_(graph) {
    for (std::size_t e = 0; e < graph.edges.size(); ++e) {
      const StageEdge& edge = graph.edges[e];
      edges_[{edge.from, edge.to, edge.producer}] = e;
    }
  }

  std::vector<std::vector<EdgeTensor>> find() {
    std::vector<std::map<Value, bool>> values(graph_.edges.size());  // does a gradient come back?
    const Graph& graph = network_.graph;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const int to = analysis_.stage[n];
      if (!analysis_.live[n] || to < 0) continue;
      for (const Value v : graph.nodes[n].inputs) {
        const int from = analysis_.stage[at(v.node)];
        if (from < 0 || from == to) continue;
        bool& gradient = values[edge_of(from, to, v)][v];
        gradient |= analysis_.useful[n] && analysis_.trained[at(v.node)] && is_float(graph, v);
      }
    }
    std::vector<std::vector<EdgeTensor>> tensors(values.size());
    for (std::size_t e = 0; e < values.size(); ++e) {
      for (const auto& [value, gradient] : values[e]) {
        tensors[e].push_back(edge_tensor(graph, value, gradient));
        refuse_unequal(graph_.edges[e], tensors[e].back());
      }
    }
    return tensors;
  }

 private:
  std::size_t edge_of(int from, int to, Value v) const {
    const auto known = edges_.find({from, to, network_.operators[at(v.node)]});
    require(known != edges_.end(),
            "the computation has no edge for '{}', which goes from stage {} to stage {}",
            network_.graph.node(v).name, from, to);
    return known->second;
  }

  void refuse_unequal(const StageEdge& edge, const EdgeTensor& tensor) const {
    const Stage& from = plan_.stages[static_cast<std::size_t>(edge.from)];
    const Stage& to = plan_.stages[static_cast<std::size_t>(edge.to)];
    if (tensor.axis >= 0 || equal_shares(from, to)) return;
    fail(ErrorCode::kUnsupported,
         "'{}' goes from stage {} to stage {}, whose micro-batches or devices differ, and has no "
         "single axis of samples: {}",
         network_.graph.node(tensor.value).name, edge.from, edge.to,
         to_string(network_.graph.type(tensor.value)));
  }

  const GraphComputation& network_;
  const Plan& plan_;
  const Analysis& analysis_;
  const StageGraph& graph_;
  std::map<std::tuple<int, int, int>, std::size_t> edges_;
};

// Cuts the programs of one stage.
class StageCutter {
 public:
  StageCutter(const GraphComputation& network, const Plan& plan, const Analysis& analysis,
              const PipelineProgram& pipeline, std::size_t stage)
      : network_(network.graph),
        plan_(plan),
        own_(plan.stages[stage]),
        analysis_(analysis),
        pipeline_(pipeline),
        stage_(static_cast<int>(stage)) {}

  StageProgram cut() {
    find_tensors();
    make_stage_graph();
    differentiate();
    cut_forward();
    if (gradients_.empty()) return std::move(program_);
    if (splits_backward(plan_)) {
      cut_split();
    } else {
      program_.backward = pass(given(), gradients_);
    }
    return std::move(program_);
  }

 private:
  const EdgeTensor& tensor(const EdgePlace& place) const {
    return pipeline_
        .tensors[static_cast<std::size_t>(place.edge)][static_cast<std::size_t>(place.tensor)];
  }

  bool is_own(NodeId node) const {
    return analysis_.live[at(node)] && analysis_.stage[at(node)] == stage_;
  }

  // What goes in and out over edges, and whether the loss is made here.
  void find_tensors() {
    const auto s = static_cast<std::size_t>(stage_);
    const auto each = [&](const std::vector<int>& edges, auto&& visit) {
      for (const int e : edges) {
        const auto count = static_cast<int>(pipeline_.tensors[static_cast<std::size_t>(e)].size());
        for (int t = 0; t < count; ++t) visit(EdgePlace{e, t});
      }
    };
    each(pipeline_.graph.in[s], [&](const EdgePlace& p) { program_.received.push_back(p); });
    std::set<Value> sent;
    each(pipeline_.graph.out[s], [&](const EdgePlace& p) {
      sent.insert(tensor(p).value);
      if (tensor(p).gradient) program_.seeds.push_back(p);
    });
    program_.sent.assign(sent.begin(), sent.end());
    program_.has_loss = is_own(network_.outputs[0].value.node);
  }

  // The stage as a graph of its own: the nodes between its inputs and what leaves it.
  void make_stage_graph() {
    std::set<Value> given;
    for (const EdgePlace& place : program_.received) given.insert(tensor(place).value);
    for (const Input& input : network_.inputs) given.insert({input.node, 0});
    std::vector<Value> wanted = program_.sent;
    if (program_.has_loss) wanted.push_back(network_.outputs[0].value);
    Extract part = extract(network_, given, wanted);
    const int share = own_.micro_batch / static_cast<int>(own_.devices.size());
    for (std::size_t i = 0; i < part.inputs.size(); ++i) {
      const Input* input = network_.input(part.inputs[i].node);
      if (input != nullptr) part.graph.inputs[i].role = input->role;
    }
    part.graph.name = fmt::format("{}, stage {}", network_.name, stage_);
    graph_ = bind_sizes(part.graph, {{std::string(train::kSamples), share}});
    origins_ = std::move(part.inputs);
  }

  // The graph with its gradients, and the ports of its inputs and outputs.
  void differentiate() {
    std::vector<std::size_t> seeded;
    std::vector<Port> seeds;
    for (std::size_t k = 0; k < program_.seeds.size(); ++k) {
      const Value value = tensor(program_.seeds[k]).value;
      const auto sent = std::find(program_.sent.begin(), program_.sent.end(), value);
      seeded.push_back(static_cast<std::size_t>(sent - program_.sent.begin()));
      seeds.push_back({Port::Kind::kSeed, static_cast<int>(k)});
    }
    if (program_.has_loss) {
      seeded.push_back(program_.sent.size());
      seeds.push_back({Port::Kind::kLossSeed, 0});
    }
    std::vector<Value> wanted;
    std::vector<Port> ports;
    for (std::size_t i = 0; i < origins_.size(); ++i) {
      ports.push_back(port_of_input(i));
      const std::optional<Port> gradient = gradient_port(ports.back());
      if (!gradient || seeded.empty()) continue;
      wanted.push_back({graph_.inputs[i].node, 0});
      gradient_ports_.push_back(*gradient);
    }
    whole_ = simplify(pull_back(graph_, seeded, wanted));
    ports.insert(ports.end(), seeds.begin(), seeds.end());
    for (std::size_t i = 0; i < whole_.inputs.size(); ++i) {
      const Value value{whole_.inputs[i].node, 0};
      ports_[value] = ports[i];
      if (i >= origins_.size()) seeds_.insert(value);
    }
    sort_outputs();
  }

  // The port of a stage's input, which is noted.
  Port port_of_input(std::size_t i) {
    const Value origin = origins_[i];
    for (std::size_t k = 0; k < program_.received.size(); ++k) {
      if (tensor(program_.received[k]).value == origin) {
        return {Port::Kind::kReceived, static_cast<int>(k)};
      }
    }
    const std::string& name = network_.node(origin).name;
    if (graph_.inputs[i].role == Role::kWeight) {
      program_.weights.push_back({name, analysis_.trained[at(origin.node)]});
      return {Port::Kind::kWeight, static_cast<int>(program_.weights.size()) - 1};
    }
    program_.data.push_back(name);
    return {Port::Kind::kData, static_cast<int>(program_.data.size()) - 1};
  }

  std::optional<Port> gradient_port(const Port& port) const {
    const auto i = static_cast<std::size_t>(port.index);
    if (port.kind == Port::Kind::kWeight && program_.weights[i].trained) {
      return Port{Port::Kind::kWeightGradient, port.index};
    }
    if (port.kind == Port::Kind::kReceived && tensor(program_.received[i]).gradient) {
      return Port{Port::Kind::kReceivedGradient, port.index};
    }
    return std::nullopt;
  }

  // Which outputs of the whole are of the forward pass, and which are gradients.
  void sort_outputs() {
    const std::size_t sent = program_.sent.size() + (program_.has_loss ? 1 : 0);
    for (std::size_t k = 0; k < whole_.outputs.size(); ++k) {
      const Value value = whole_.outputs[k].value;
      if (k < program_.sent.size()) {
        forward_.push_back({{Port::Kind::kSent, static_cast<int>(k)}, value});
      } else if (k < sent) {
        forward_.push_back({{Port::Kind::kLoss, 0}, value});
      } else {
        gradients_.push_back({gradient_ports_[k - sent], value});
      }
    }
  }

  struct Wanted {
    Port port;
    Value value;
  };

  static std::vector<Value> values(const std::vector<Wanted>& wanted) {
    std::vector<Value> result;
    for (const Wanted& each : wanted) result.push_back(each.value);
    return result;
  }

  // What later passes have: all inputs, and what was kept.
  std::set<Value> given() const {
    std::set<Value> result;
    for (const auto& [value, port] : ports_) result.insert(value);
    return result;
  }

  void keep(const std::set<Value>& values, std::vector<Wanted>& outputs) {
    for (const Value value : values) {
      const auto out = std::find_if(outputs.begin(), outputs.end(),
                                    [&](const Wanted& each) { return each.value == value; });
      const bool is_out = out != outputs.end() && out->port.kind != Port::Kind::kLoss;
      ports_[value] = is_out ? out->port : Port{Port::Kind::kKept, kept_++};
      if (!is_out) outputs.push_back({ports_[value], value});
    }
  }

  void cut_forward() {
    const std::set<Value> inputs = given();
    if (!gradients_.empty() && !own_.recompute) {
      const std::vector<Value> wanted = values(gradients_);
      keep(least_kept({whole_, independent_of(whole_, seeds_), inputs, wanted}), forward_);
    }
    program_.forward = pass(inputs, forward_);
  }

  void cut_split() {
    std::vector<Wanted> first, second;
    for (const Wanted& each : gradients_) {
      (each.port.kind == Port::Kind::kReceivedGradient ? first : second).push_back(each);
    }
    const std::set<Value> before = given();
    if (!first.empty() && !second.empty()) {
      const std::vector<bool> in_first = nodes_between(whole_, before, values(first));
      const std::vector<Value> wanted = values(second);
      keep(least_kept({whole_, in_first, before, wanted}), first);
    }
    program_.input_gradient = pass(before, first);
    program_.weight_gradient = pass(given(), second);
  }

  PassProgram pass(const std::set<Value>& given, const std::vector<Wanted>& wanted) const {
    PassProgram result;
    if (wanted.empty()) return result;
    Extract part = extract(whole_, given, values(wanted));
    result.graph = std::move(part.graph);
    for (std::size_t i = 0; i < part.inputs.size(); ++i) {
      const Port port = ports_.at(part.inputs[i]);
      result.inputs.push_back(port);
      if (port.kind == Port::Kind::kWeight) result.graph.inputs[i].role = Role::kWeight;
    }
    const std::vector<Output> all = std::exchange(result.graph.outputs, {});
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      if (wanted[k].port.kind == Port::Kind::kWeightGradient) {
        add_sum(result, wanted[k].port, all[k].value);
      } else {
        result.outputs.push_back(wanted[k].port);
        result.graph.outputs.push_back(all[k]);
      }
    }
    // A gradient is added when it is there, so that no two of them are kept.
    std::set<NodeId> sums;
    for (const Update& update : result.graph.updates) sums.insert(update.next.node);
    move_up(result.graph, sums);
    return result;
  }

  // In f32, whatever the parameter's type.
  static void add_sum(PassProgram& program, const Port& port, Value gradient) {
    if (program.graph.type(gradient).dtype != DType::kF32) {
      gradient = program.graph.add("cast", {gradient}, {{"dtype", DType::kF32}});
    }
    const Type type = program.graph.type(gradient);
    const Value sum = program.graph.add_state(sum_name(program.sums.size()), type);
    program.graph.add_update(sum, program.graph.add("add", {sum, gradient}));
    program.sums.push_back(port);
  }

  const Graph& network_;
  const Plan& plan_;
  const Stage& own_;
  const Analysis& analysis_;
  const PipelineProgram& pipeline_;
  const int stage_;
  StageProgram program_;
  Graph graph_;                  // of the stage
  std::vector<Value> origins_;   // of its inputs, in the network
  Graph whole_;                  // with gradients
  std::map<Value, Port> ports_;  // of inputs of the whole, and of what is kept
  std::set<Value> seeds_;
  std::vector<Port> gradient_ports_;
  std::vector<Wanted> forward_;
  std::vector<Wanted> gradients_;
  int kept_ = 0;
};

}  // namespace

std::string sum_name(std::size_t k) { return fmt::format("sum{}", k); }

PipelineProgram cut_stages(const GraphComputation& network, const Plan& plan,
                           std::span<const std::string> frozen) {
  refuse_unsupported(network.graph);
  const Analysis analysis{live_nodes(network.graph), trained_nodes(network.graph, frozen),
                          useful_nodes(network.graph), stages_of_nodes(network, plan)};
  PipelineProgram pipeline{stage_graph(network.computation, plan), {}, {}};
  pipeline.tensors = TensorsOfEdges(network, plan, analysis, pipeline.graph).find();
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    pipeline.stages.push_back(StageCutter(network, plan, analysis, pipeline, s).cut());
  }
  return pipeline;
}

}  // namespace lamina::pipeline
