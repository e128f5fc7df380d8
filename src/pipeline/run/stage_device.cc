// Running the programs of a stage.
#include "pipeline/run/stage_device.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "exec/lower/fuse.h"
#include "graph/simplify.h"
#include "pipeline/run/extract.h"

namespace lamina::pipeline {
namespace {

using Kind = Action::Kind;

std::size_t index_of(Kind pass) {
  const auto index = static_cast<std::size_t>(pass);
  check(index < 4, "action {} is no pass", index);
  return index;
}

std::vector<Shape> output_shapes(const Graph& graph) {
  std::vector<Shape> shapes;
  for (const Output& output : graph.outputs) {
    const auto shape = constant_shape(graph.type(output.value).shape);
    check(shape.has_value(), "output '{}' has no constant shape", output.name);
    shapes.push_back(*shape);
  }
  return shapes;
}

bool lives_in_micro_batch(Port::Kind kind) {
  return kind != Port::Kind::kWeight && kind != Port::Kind::kWeightGradient &&
         kind != Port::Kind::kLoss && kind != Port::Kind::kLossSeed;
}

}  // namespace

Graph as_compiled(const Graph& pass) { return lower::fuse_chains(simplify(pass)); }

StageDevice::StageDevice(const StageProgram& program, const StageDeviceOptions& options,
                         Ledger& ledger)
    : program_(program), ledger_(ledger), weights_(program.weights.size()) {
  add_pass(Kind::kForward, program.forward, options);
  add_pass(Kind::kBackward, program.backward, options);
  add_pass(Kind::kInputGradient, program.input_gradient, options);
  add_pass(Kind::kWeightGradient, program.weight_gradient, options);
  find_last_uses();
  loss_seed_ = Tensor::from_doubles(DType::kF32, {}, std::span(&options.loss_seed, 1));
}

void StageDevice::add_pass(Kind kind, const PassProgram& program,
                           const StageDeviceOptions& options) {
  Pass& pass = passes_[index_of(kind)];
  pass.program = &program;
  if (program.is_empty()) return;
  RunOptions run = options.run;
  run.arena = ledger_.arena();
  run.max_compiles = std::max(run.max_compiles, 100000);  // a stage may be a whole network
  pass.compiled = compile(as_compiled(program.graph), find_device(options.device), run);
  pass.shapes = output_shapes(program.graph);
}

// Passes stand in the order in which a micro-batch goes through them.
void StageDevice::find_last_uses() {
  std::set<Port> later;
  for (std::size_t k = passes_.size(); k-- > 0;) {
    Pass& pass = passes_[k];
    std::set<Port> touched(pass.program->inputs.begin(), pass.program->inputs.end());
    touched.insert(pass.program->outputs.begin(), pass.program->outputs.end());
    for (const Port& port : touched) {
      if (lives_in_micro_batch(port.kind) && !later.contains(port)) pass.last_uses.push_back(port);
    }
    later.insert(pass.program->inputs.begin(), pass.program->inputs.end());
  }
}

MicroBatch StageDevice::micro_batch() const {
  MicroBatch result;
  std::size_t kept = 0;
  for (const Pass& pass : passes_) {
    for (const Port& port : pass.program->outputs) kept += port.kind == Port::Kind::kKept ? 1 : 0;
  }
  result.data.resize(program_.data.size());
  result.received.resize(program_.received.size());
  result.sent.resize(program_.sent.size());
  result.seeds.resize(program_.seeds.size());
  result.kept.resize(kept);
  result.received_gradients.resize(program_.received.size());
  return result;
}

Tensor& StageDevice::at(const Port& port, MicroBatch& micro_batch) {
  const auto i = static_cast<std::size_t>(port.index);
  switch (port.kind) {
    case Port::Kind::kData:
      return micro_batch.data.at(i);
    case Port::Kind::kReceived:
      return micro_batch.received.at(i);
    case Port::Kind::kSent:
      return micro_batch.sent.at(i);
    case Port::Kind::kLoss:
      return micro_batch.loss;
    case Port::Kind::kSeed:
      return micro_batch.seeds.at(i);
    case Port::Kind::kLossSeed:
      return loss_seed_;
    case Port::Kind::kKept:
      return micro_batch.kept.at(i);
    case Port::Kind::kReceivedGradient:
      return micro_batch.received_gradients.at(i);
    case Port::Kind::kWeight:
    case Port::Kind::kWeightGradient:
      break;
  }
  fail(ErrorCode::kInternal, "weights and their gradients belong to no micro-batch");
}

void StageDevice::set_parameters(const NamedTensors& parameters) {
  for (std::size_t w = 0; w < weights_.size(); ++w) {
    weights_[w] = parameters.at(program_.weights[w].name);
  }
  for (Pass& pass : passes_) {
    for (std::size_t i = 0; pass.compiled != nullptr && i < pass.program->inputs.size(); ++i) {
      const Port& port = pass.program->inputs[i];
      if (port.kind != Port::Kind::kWeight) continue;
      const Graph& graph = pass.program->graph;
      pass.compiled->set_weight(graph.nodes[static_cast<std::size_t>(graph.inputs[i].node)].name,
                                weights_[static_cast<std::size_t>(port.index)]);
      pass.loads = true;
    }
  }
}

std::vector<Tensor> StageDevice::inputs_of(const PassProgram& pass, MicroBatch& micro_batch) {
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < pass.inputs.size(); ++i) {
    const Port& port = pass.inputs[i];
    if (port.kind == Port::Kind::kWeight) continue;
    inputs.push_back(at(port, micro_batch));
    check(!inputs.back().empty(), "an input of a pass is not there: kind {}, index {}",
          static_cast<int>(port.kind), port.index);
    if (port.kind == Port::Kind::kLossSeed) {
      const Type& type = pass.graph.type({pass.graph.inputs[i].node, 0});
      inputs.back() = inputs.back().reshaped(*constant_shape(type.shape));
    }
  }
  return inputs;
}

void StageDevice::run(Kind kind, MicroBatch& micro_batch) {
  Pass& pass = passes_[index_of(kind)];
  if (pass.compiled == nullptr) return;
  const std::vector<Tensor> inputs = inputs_of(*pass.program, micro_batch);
  std::vector<Tensor> outputs;
  for (std::size_t k = 0; k < pass.shapes.size(); ++k) {
    const Graph& graph = pass.program->graph;
    outputs.push_back(ledger_.allocate(graph.type(graph.outputs[k].value).dtype, pass.shapes[k]));
  }
  pass.compiled->run_into(inputs, outputs);
  ledger_.count_arena();
  if (!pass.has_run) count_sums(pass);
  if (pass.loads) count_made_of_weights(pass);
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    at(pass.program->outputs[k], micro_batch) = outputs[k];
  }
}

void StageDevice::count_sums(Pass& pass) {
  pass.has_run = true;
  for (std::size_t k = 0; k < pass.program->sums.size(); ++k) {
    const Graph& graph = pass.program->graph;
    ledger_.add(bytes_of(graph.type(graph.find(sum_name(k)))));
  }
}

void StageDevice::count_made_of_weights(Pass& pass) {
  pass.loads = false;
  const std::int64_t bytes = pass.compiled->stats().packed_weight_bytes;
  ledger_.add(bytes - std::exchange(pass.made_of_weights, bytes));
}

void StageDevice::clear_gradients() {
  for (const Pass& pass : passes_) {
    if (pass.has_run) pass.compiled->reset_state();
  }
}

Tensor StageDevice::gradient(std::size_t weight) {
  check(program_.weights[weight].trained, "'{}' is not trained", program_.weights[weight].name);
  const Port port{Port::Kind::kWeightGradient, static_cast<int>(weight)};
  for (const Pass& pass : passes_) {
    for (std::size_t k = 0; pass.has_run && k < pass.program->sums.size(); ++k) {
      if (pass.program->sums[k] == port) return pass.compiled->state(sum_name(k));
    }
  }
  Tensor zeros = ledger_.allocate(DType::kF32, weights_[weight].shape());
  const std::span<float> elements = zeros.span<float>();
  std::fill(elements.begin(), elements.end(), 0.0F);
  return zeros;
}

void StageDevice::release(Kind kind, MicroBatch& micro_batch) {
  for (const Port& port : passes_[index_of(kind)].last_uses) at(port, micro_batch) = Tensor();
}

}  // namespace lamina::pipeline
