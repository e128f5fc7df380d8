// Compiled passes over a batch.
#include "nn/train/step_program.h"

#include <algorithm>

#include "base/check.h"
#include "exec/lower/fuse.h"
#include "graph/channels_last.h"
#include "graph/simplify.h"
#include "nn/train/tensor_names.h"

namespace lamina::train {
namespace {

// A step of a large network has more kernels than RunOptions allows by default.
constexpr int kMostCompiles = 4096;

RunOptions patient(RunOptions run) {
  run.max_compiles = std::max(run.max_compiles, kMostCompiles);
  return run;
}

// The graph in the layout in which convolutions are fast, gradients included.
Graph in_fast_layout(const Graph& graph) {
  auto changed = channels_last(graph);
  return changed ? std::move(changed->graph) : graph;
}

std::vector<std::string> names_of(const Graph& graph, bool weights) {
  std::vector<std::string> names;
  for (const Input& input : graph.inputs) {
    if ((input.role == Role::kWeight) != weights) continue;
    names.push_back(graph.nodes[static_cast<std::size_t>(input.node)].name);
  }
  return names;
}

std::vector<Tensor> in_order(const NamedTensors& tensors, const std::vector<std::string>& names) {
  std::vector<Tensor> result;
  for (const std::string& name : names) result.push_back(find_tensor(tensors, name, "batch"));
  return result;
}

}  // namespace

Network in_bf16(const Network& network) {
  Network result{network.name, {}, network.frozen};
  Graph& to = result.graph;
  const Graph& from = network.graph;
  to.name = from.name;
  to.sizes = from.sizes;
  std::map<Value, Value> moved;
  for (std::size_t n = 0; n < from.nodes.size(); ++n) {
    const Node& node = from.nodes[n];
    const auto id = static_cast<NodeId>(n);
    if (const Input* input = from.input(id)) {
      Type type = node.types[0];
      const bool rounds = input->role == Role::kWeight && type.dtype == DType::kF32;
      if (rounds) type.dtype = DType::kBF16;
      const Value added = to.add_input(node.name, type, input->role);
      if (!input->value.empty()) to.inputs.back().value = input->value.cast(type.dtype);
      moved[{id, 0}] = rounds ? to.add("cast", {added}, {{"dtype", DType::kF32}}) : added;
      continue;
    }
    std::vector<Value> inputs;
    for (const Value& value : node.inputs) inputs.push_back(moved.at(value));
    const Value added = to.add(op_name(node), inputs, node.attrs, node.name, node.graphs);
    for (std::int32_t k = 0; k < std::ssize(node.types); ++k) moved[{id, k}] = {added.node, k};
  }
  for (const Output& output : from.outputs) to.add_output(output.name, moved.at(output.value));
  return result;
}

GradientProgram::GradientProgram(const Network& network, std::int64_t samples, const Device& device,
                                 const RunOptions& run) {
  Graph forward = bind_sizes(network.graph, {{std::string(kSamples), samples}});
  forward.outputs.resize(1);
  forward = in_fast_layout(forward);
  const std::vector<std::string> names = trained_parameters(network);
  std::vector<Value> parameters;
  for (const std::string& name : names) parameters.push_back(forward.find(name));
  const Graph graph = lower::fuse_chains(simplify(gradient(forward, parameters)));
  inputs_ = names_of(graph, false);
  weights_ = names_of(graph, true);
  program_ = compile(graph, device, patient(run));
  stats_ = program_->stats();
  outputs_.emplace_back(DType::kF32, Shape{});
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Type& type = graph.type(graph.outputs[i + 1].value);
    outputs_.emplace_back(type.dtype, *constant_shape(type.shape));
    gradients_[names[i]] = outputs_.back();
  }
}

void GradientProgram::set_parameters(const NamedTensors& parameters) {
  for (const std::string& name : weights_) {
    program_->set_weight(name, find_tensor(parameters, name, "parameters"));
  }
}

double GradientProgram::run(const NamedTensors& batch) {
  program_->run_into(in_order(batch, inputs_), outputs_);
  return outputs_[0].to_doubles()[0];
}

std::vector<StepTime> GradientProgram::profile(const NamedTensors& batch) {
  return program_->profile(in_order(batch, inputs_));
}

ForwardProgram::ForwardProgram(const Network& network, const NamedTensors& parameters,
                               const RunOptions& run)
    : inputs_(names_of(network.graph, false)),
      program_(compile(lower::fuse_chains(simplify(in_fast_layout(network.graph))),
                       find_device("cpu"), patient(run))) {
  for (const std::string& name : names_of(network.graph, true)) {
    program_->set_weight(name, find_tensor(parameters, name, "parameters"));
  }
}

std::vector<Tensor> ForwardProgram::run(const NamedTensors& batch) {
  return program_->run(in_order(batch, inputs_));
}

}  // namespace lamina::train
