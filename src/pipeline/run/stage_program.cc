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
#include "pipeline/index.h"
#include "pipeline/run/edge_tensors.h"
#include "pipeline/run/extract.h"
#include "pipeline/shares.h"

namespace lamina::pipeline {
namespace {

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

// Cuts the programs of one stage.
class StageCutter {
 public:
  StageCutter(const GraphComputation& network, const Plan& plan, const NodeAnalysis& analysis,
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
  const NodeAnalysis& analysis_;
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
  const NodeAnalysis analysis = analyse_nodes(network, plan, frozen);
  PipelineProgram pipeline{stage_graph(network.computation, plan), {}, {}};
  pipeline.tensors = tensors_of_edges(network, plan, analysis, pipeline.graph);
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    pipeline.stages.push_back(StageCutter(network, plan, analysis, pipeline, s).cut());
  }
  return pipeline;
}

}  // namespace lamina::pipeline
