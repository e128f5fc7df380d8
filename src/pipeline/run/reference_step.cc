// The reference: everything in order, everything kept.
#include "pipeline/run/reference_step.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "pipeline/run/edges.h"

namespace lamina::pipeline {
namespace {

using Kind = Action::Kind;

NamedTensors copies(const NamedTensors& tensors) {
  NamedTensors result;
  for (const auto& [name, tensor] : tensors) result[name] = tensor.clone();
  return result;
}

NamedTensors only(const NamedTensors& tensors, const std::vector<TrainedWeight>& weights) {
  NamedTensors result;
  for (const TrainedWeight& weight : weights) result[weight.name] = tensors.at(weight.name);
  return result;
}

// a += b; an empty `a` becomes a copy.
void add(Tensor& a, const Tensor& b) {
  if (a.empty()) {
    a = b.clone();
    return;
  }
  const std::span<float> sum = a.span<float>();
  const std::span<const float> more = b.span<float>();
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
}

}  // namespace

ReferenceStep::ReferenceStep(const PipelineJob& job, const NamedTensors& parameters)
    : job_(job),
      weights_(trained_weights(job.plan, job.program)),
      parameters_(copies(parameters)),
      optimizer_(job.update.optimizer, only(parameters_, weights_), job.update.run) {
  for (std::size_t s = 0; s < job.plan.stages.size(); ++s) {
    const Stage& stage = job.plan.stages[s];
    const int share = stage.micro_batch / static_cast<int>(stage.devices.size());
    const StageDeviceOptions options{job.device, job.run,
                                     static_cast<double>(share) / job.plan.batch};
    auto& devices = devices_.emplace_back();
    for (std::size_t place = 0; place < stage.devices.size(); ++place) {
      devices.push_back(std::make_unique<StageDevice>(job.program.stages[s], options, ledger_));
    }
  }
}

const EdgeTensor& ReferenceStep::tensor_of(const EdgePlace& place) const {
  return job_.program
      .tensors[static_cast<std::size_t>(place.edge)][static_cast<std::size_t>(place.tensor)];
}

std::vector<ReferenceStep::Share> ReferenceStep::shares(int stage) const {
  std::vector<Share> result;
  for (int m = 0; m < job_.plan.batch / plan_of(stage).micro_batch; ++m) {
    for (int p = 0; p < static_cast<int>(plan_of(stage).devices.size()); ++p) {
      result.push_back({stage, m, p});
    }
  }
  return result;
}

StageDevice& ReferenceStep::device(const Share& share) {
  return *devices_[static_cast<std::size_t>(share.stage)][static_cast<std::size_t>(share.place)];
}

void ReferenceStep::put(bool forward, const EdgePlace& place, const Share& from,
                        const Tensor& tensor) {
  const EdgeTensor& kind = tensor_of(place);
  if (kind.axis < 0) {
    crossing_[{forward, place, {0, from.micro_batch, from.place}}] = tensor;
    return;
  }
  const auto axis = static_cast<std::size_t>(kind.axis);
  Tensor& whole = crossing_[{forward, place, {}}];
  if (whole.empty()) {
    Shape shape = tensor.shape();
    shape[axis] = kind.rows * job_.plan.batch;
    whole = Tensor(tensor.dtype(), shape);
  }
  const Samples samples = pipeline::share(plan_of(from.stage), from.micro_batch, from.place);
  std::vector<std::byte> bytes(tensor.bytes());
  pack(tensor, {kind.axis, 0, tensor.shape()[axis]}, bytes);
  unpack(bytes, whole, rows_of(kind, samples, {0, job_.plan.batch}, whole));
}

Tensor ReferenceStep::get(bool forward, const EdgePlace& place, const Share& to) {
  const EdgeTensor& kind = tensor_of(place);
  if (kind.axis < 0) return crossing_.at({forward, place, {0, to.micro_batch, to.place}});
  const Tensor& whole = crossing_.at({forward, place, {}});
  const Samples samples = pipeline::share(plan_of(to.stage), to.micro_batch, to.place);
  Shape shape = whole.shape();
  shape[static_cast<std::size_t>(kind.axis)] = kind.rows * (samples.end - samples.begin);
  Tensor result(whole.dtype(), shape);
  std::vector<std::byte> bytes(result.bytes());
  pack(whole, rows_of(kind, samples, {0, job_.plan.batch}, whole), bytes);
  unpack(bytes, result, {kind.axis, 0, shape[static_cast<std::size_t>(kind.axis)]});
  return result;
}

void ReferenceStep::forward(const Share& share, const BatchData& data) {
  StageDevice& own = device(share);
  const StageProgram& program = own.program();
  MicroBatch& micro_batch = micro_batches_[share] = own.micro_batch();
  const Samples samples = pipeline::share(plan_of(share.stage), share.micro_batch, share.place);
  if (!program.data.empty()) {
    const NamedTensors inputs = data(samples);
    for (std::size_t k = 0; k < program.data.size(); ++k) {
      micro_batch.data[k] = inputs.at(program.data[k]);
    }
  }
  for (std::size_t k = 0; k < program.received.size(); ++k) {
    micro_batch.received[k] = get(true, program.received[k], share);
  }
  own.run(Kind::kForward, micro_batch);
  if (program.has_loss) {
    const double part = static_cast<double>(samples.end - samples.begin);
    loss_ += micro_batch.loss.to_doubles()[0] * part / job_.plan.batch;
  }
  for (const int e : job_.program.graph.out[static_cast<std::size_t>(share.stage)]) {
    const auto& tensors = job_.program.tensors[static_cast<std::size_t>(e)];
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      const auto at = std::find(program.sent.begin(), program.sent.end(), tensors[t].value);
      put(true, {e, static_cast<int>(t)}, share,
          micro_batch.sent[static_cast<std::size_t>(at - program.sent.begin())]);
    }
  }
}

void ReferenceStep::backward(const Share& share) {
  StageDevice& own = device(share);
  const StageProgram& program = own.program();
  MicroBatch& micro_batch = micro_batches_.at(share);
  for (std::size_t k = 0; k < program.seeds.size(); ++k) {
    micro_batch.seeds[k] = get(false, program.seeds[k], share);
  }
  if (splits_backward(job_.plan)) {
    own.run(Kind::kInputGradient, micro_batch);
    own.run(Kind::kWeightGradient, micro_batch);
  } else {
    own.run(Kind::kBackward, micro_batch);
  }
  for (std::size_t k = 0; k < program.received.size(); ++k) {
    const Tensor& gradient = micro_batch.received_gradients[k];
    if (!gradient.empty()) put(false, program.received[k], share, gradient);
  }
}

void ReferenceStep::add_up() {
  for (const TrainedWeight& weight : weights_) {
    Tensor total;
    for (const int rank : weight.ranks) {
      Tensor of_rank;
      for (const int s : weight.stages) {
        const std::vector<int>& ranks = plan_of(s).devices;
        const auto place = std::find(ranks.begin(), ranks.end(), rank);
        if (place == ranks.end()) continue;
        StageDevice& own = device({s, 0, static_cast<int>(place - ranks.begin())});
        const std::vector<StageWeight>& all = own.program().weights;
        const auto at = std::find(all.begin(), all.end(), StageWeight{weight.name, true});
        add(of_rank, own.gradient(static_cast<std::size_t>(at - all.begin())));
      }
      add(total, of_rank);
    }
    gradients_[weight.name] = total;
  }
}

StepResult ReferenceStep::step(const BatchData& data, double learning_rate) {
  loss_ = 0.0;
  crossing_.clear();
  micro_batches_.clear();
  gradients_.clear();
  for (const auto& devices : devices_) {
    for (const auto& each : devices) {
      each->set_parameters(parameters_);
      each->clear_gradients();
    }
  }
  const std::vector<int>& order = job_.program.graph.order;
  for (const int stage : order) {
    for (const Share& share : shares(stage)) forward(share, data);
  }
  for (auto stage = order.rbegin(); stage != order.rend(); ++stage) {
    for (const Share& share : shares(*stage)) backward(share);
  }
  add_up();
  double squared = 0.0;
  for (const TrainedWeight& weight : weights_) {
    squared += train::squared_norm(gradients_.at(weight.name));
  }
  optimizer_.step(gradients_, learning_rate, train::clip_factor(squared, job_.update.clip_norm));
  return {loss_, std::sqrt(squared)};
}

}  // namespace lamina::pipeline
