// Training steps as graphs.
#include "pipeline/run/step_graph.h"

#include <map>
#include <set>

#include "base/check.h"
#include "lamina/pipeline_run.h"
#include "pipeline/index.h"
#include "pipeline/shares.h"

namespace lamina::pipeline {
namespace {

// The names of the weights that stages train, sorted.
std::set<std::string> trained_names(const PipelineProgram& program) {
  std::set<std::string> names;
  for (const StageProgram& stage : program.stages) {
    for (const StageWeight& weight : stage.weights) {
      if (weight.trained) names.insert(weight.name);
    }
  }
  return names;
}

// The network with the samples of a batch.
Graph of_batch(const GraphComputation& network, const Plan& plan) {
  Graph graph = bind_sizes(network.graph, {{std::string(train::kSamples), plan.batch}});
  graph.outputs.resize(1);
  return graph;
}

class StepBuilder {
 public:
  StepBuilder(const GraphComputation& network, const Plan& plan, const PipelineProgram& program)
      : network_(network.graph), plan_(plan), program_(program) {
    out_.name = network_.name + ", in stages";
    const Graph whole = of_batch(network, plan);
    for (const Input& input : whole.inputs) {
      const Node& node = whole.nodes[at(input.node)];
      inputs_[node.name] = out_.add_input(node.name, node.types[0], input.role);
    }
  }

  Graph build() {
    const std::vector<int>& order = program_.graph.order;
    for (const int stage : order) {
      each_share(stage, [&](int m, int p) { forward(stage, m, p); });
    }
    for (auto stage = order.rbegin(); stage != order.rend(); ++stage) {
      each_share(*stage, [&](int m, int p) { backward(*stage, m, p); });
    }
    out_.add_output("loss", loss_);
    for (const std::string& name : trained_names(program_)) {
      const auto sum = sums_.find(name);
      check(sum != sums_.end(), "'{}' has no gradient", name);
      out_.add_output("grad_" + name, sum->second);
    }
    return std::move(out_);
  }

 private:
  using Ports = std::map<Port, Value>;
  struct ShareKey {
    int stage = 0;
    int micro_batch = 0;
    int place = 0;
    auto operator<=>(const ShareKey&) const = default;
  };
  struct Piece {
    Samples samples;
    Value value;
  };
  struct CrossingKey {
    bool forward = true;
    EdgePlace place;
    auto operator<=>(const CrossingKey&) const = default;
  };

  const Stage& plan_of(int stage) const { return plan_.stages[static_cast<std::size_t>(stage)]; }
  const StageProgram& program_of(int stage) const {
    return program_.stages[static_cast<std::size_t>(stage)];
  }
  const EdgeTensor& tensor_of(const EdgePlace& place) const {
    return program_
        .tensors[static_cast<std::size_t>(place.edge)][static_cast<std::size_t>(place.tensor)];
  }

  template <class Visit>
  void each_share(int stage, Visit visit) {
    const Stage& plan = plan_of(stage);
    for (int m = 0; m < plan_.batch / plan.micro_batch; ++m) {
      for (int p = 0; p < static_cast<int>(plan.devices.size()); ++p) visit(m, p);
    }
  }

  Value slice(Value value, int axis, std::int64_t begin, std::int64_t end) {
    const Dims& shape = out_.type(value).shape;
    Dims start(shape.size(), Dim(0)), size = shape;
    start[static_cast<std::size_t>(axis)] = Dim(begin);
    size[static_cast<std::size_t>(axis)] = Dim(end - begin);
    return out_.add("slice", {value}, {{"start", start}, {"size", size}});
  }

  // An input of the network, as far as some samples go.
  Value data(const std::string& name, const Samples& samples) {
    const Value whole = inputs_.at(name);
    const std::int64_t rows = *out_.type(whole).shape.at(0).constant() / plan_.batch;
    return slice(whole, 0, rows * samples.begin, rows * samples.end);
  }

  void put(bool forward, const EdgePlace& place, const Samples& samples, Value value) {
    if (tensor_of(place).axis < 0) {
      fail(ErrorCode::kUnsupported, "'{}' goes between stages and has no axis of samples",
           network_.node(tensor_of(place).value).name);
    }
    crossing_[{forward, place}].push_back({samples, value});
  }

  Value get(bool forward, const EdgePlace& place, const Samples& wanted) {
    const EdgeTensor& tensor = tensor_of(place);
    std::vector<Value> parts;
    for (const Piece& piece : crossing_.at({forward, place})) {
      const int begin = std::max(piece.samples.begin, wanted.begin);
      const int end = std::min(piece.samples.end, wanted.end);
      if (begin >= end) continue;
      parts.push_back(slice(piece.value, tensor.axis, tensor.rows * (begin - piece.samples.begin),
                            tensor.rows * (end - piece.samples.begin)));
    }
    if (parts.size() == 1) return parts[0];
    return out_.add("concat", parts, {{"axis", std::int64_t{tensor.axis}}});
  }

  // Adds the nodes of a pass; what it makes goes into `ports`.
  void inline_pass(const PassProgram& pass, const StageProgram& stage, Ports& ports) {
    std::map<Value, Value> moved;
    const Graph& graph = pass.graph;
    std::size_t next = 0;
    std::set<NodeId> skipped;
    for (const Input& input : graph.inputs) {
      if (input.role == Role::kState) {
        skipped.insert(input.node);
      } else {
        moved[{input.node, 0}] = ports.at(pass.inputs[next++]);
        skipped.insert(input.node);
      }
    }
    std::map<NodeId, Value> gradients;  // by the node that adds it to the sum
    for (const Update& update : graph.updates) {
      gradients[update.next.node] = graph.node(update.next).inputs[1];
    }
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const auto id = static_cast<NodeId>(n);
      if (skipped.contains(id) || gradients.contains(id)) continue;
      const Node& node = graph.nodes[n];
      std::vector<Value> inputs;
      for (const Value v : node.inputs) inputs.push_back(moved.at(v));
      const Value added = out_.add(op_name(node), inputs, node.attrs, {}, node.graphs);
      for (std::int32_t k = 0; k < std::ssize(node.types); ++k) moved[{id, k}] = {added.node, k};
    }
    for (std::size_t k = 0; k < pass.outputs.size(); ++k) {
      ports[pass.outputs[k]] = moved.at(graph.outputs[k].value);
    }
    for (std::size_t k = 0; k < pass.sums.size(); ++k) {
      const Value gradient = moved.at(gradients.at(graph.updates[k].next.node));
      const auto weight = static_cast<std::size_t>(pass.sums[k].index);
      add_to(sums_[stage.weights[weight].name], gradient);
    }
  }

  void add_to(Value& sum, Value more) { sum = sum.node < 0 ? more : out_.add("add", {sum, more}); }

  void forward(int stage, int m, int p) {
    const StageProgram& program = program_of(stage);
    const Samples samples = share(plan_of(stage), m, p);
    Ports& ports = ports_[{stage, m, p}];
    for (std::size_t k = 0; k < program.data.size(); ++k) {
      ports[{Port::Kind::kData, static_cast<int>(k)}] = data(program.data[k], samples);
    }
    for (std::size_t k = 0; k < program.weights.size(); ++k) {
      ports[{Port::Kind::kWeight, static_cast<int>(k)}] = inputs_.at(program.weights[k].name);
    }
    for (std::size_t k = 0; k < program.received.size(); ++k) {
      ports[{Port::Kind::kReceived, static_cast<int>(k)}] = get(true, program.received[k], samples);
    }
    const double part = static_cast<double>(samples.end - samples.begin) / plan_.batch;
    ports[{Port::Kind::kLossSeed, 0}] = out_.constant(part);
    inline_pass(program.forward, program, ports);
    if (program.has_loss) {
      add_to(loss_, out_.add("mul", {ports.at({Port::Kind::kLoss, 0}),
                                     ports.at({Port::Kind::kLossSeed, 0})}));
    }
    for (const int e : program_.graph.out[static_cast<std::size_t>(stage)]) {
      const auto& tensors = program_.tensors[static_cast<std::size_t>(e)];
      for (std::size_t t = 0; t < tensors.size(); ++t) {
        const auto found = std::find(program.sent.begin(), program.sent.end(), tensors[t].value);
        const auto k = static_cast<int>(found - program.sent.begin());
        put(true, {e, static_cast<int>(t)}, samples, ports.at({Port::Kind::kSent, k}));
      }
    }
  }

  void backward(int stage, int m, int p) {
    const StageProgram& program = program_of(stage);
    const Samples samples = share(plan_of(stage), m, p);
    Ports& ports = ports_.at({stage, m, p});
    for (std::size_t k = 0; k < program.seeds.size(); ++k) {
      ports[{Port::Kind::kSeed, static_cast<int>(k)}] = get(false, program.seeds[k], samples);
    }
    for (const PassProgram* pass :
         {&program.backward, &program.input_gradient, &program.weight_gradient}) {
      if (!pass->is_empty()) inline_pass(*pass, program, ports);
    }
    for (std::size_t k = 0; k < program.received.size(); ++k) {
      const auto gradient = ports.find({Port::Kind::kReceivedGradient, static_cast<int>(k)});
      if (gradient != ports.end()) put(false, program.received[k], samples, gradient->second);
    }
  }

  const Graph& network_;
  const Plan& plan_;
  const PipelineProgram& program_;
  Graph out_;
  std::map<std::string, Value> inputs_;
  std::map<ShareKey, Ports> ports_;
  std::map<CrossingKey, std::vector<Piece>> crossing_;
  std::map<std::string, Value> sums_;
  Value loss_;
};

}  // namespace

Graph partitioned_step(const GraphComputation& network, const Plan& plan,
                       const PipelineProgram& program) {
  return StepBuilder(network, plan, program).build();
}

Graph whole_step(const GraphComputation& network, const Plan& plan,
                 const PipelineProgram& program) {
  const Graph graph = of_batch(network, plan);
  std::vector<Value> wanted;
  for (const std::string& name : trained_names(program)) wanted.push_back(graph.find(name));
  return gradient(graph, wanted);
}

StepGraphs step_graphs(const GraphComputation& network, const Plan& plan,
                       std::span<const std::string> frozen) {
  const PipelineProgram program = cut_stages(network, plan, frozen);
  return {partitioned_step(network, plan, program), whole_step(network, plan, program)};
}

}  // namespace lamina::pipeline
