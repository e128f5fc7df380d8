// The interpreter of action lists.
#include "pipeline/run/rank_run.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "pipeline/run/edges.h"
#include "pipeline/schedule_text.h"

namespace lamina::pipeline {
namespace {

using Kind = Action::Kind;

int place_of(const Stage& stage, int rank) {
  const auto found = std::find(stage.devices.begin(), stage.devices.end(), rank);
  return found == stage.devices.end() ? -1 : static_cast<int>(found - stage.devices.begin());
}

// Copies of the parameters that this rank's stages read.
NamedTensors own_parameters(const PipelineJob& job, const NamedTensors& all, int rank,
                            Ledger& ledger) {
  NamedTensors own;
  for (std::size_t s = 0; s < job.plan.stages.size(); ++s) {
    if (place_of(job.plan.stages[s], rank) < 0) continue;
    for (const StageWeight& weight : job.program.stages[s].weights) {
      const auto found = all.find(weight.name);
      require(found != all.end(), "the parameter '{}' has no elements", weight.name);
      own.try_emplace(weight.name, ledger.count(found->second.clone()));
    }
  }
  return own;
}

NamedTensors only(const NamedTensors& tensors, const std::vector<TrainedWeight>& weights,
                  int rank) {
  NamedTensors result;
  for (const TrainedWeight& weight : weights) {
    if (std::count(weight.ranks.begin(), weight.ranks.end(), rank) > 0) {
      result[weight.name] = tensors.at(weight.name);
    }
  }
  return result;
}

bool any_there(const std::vector<Tensor>& tensors, const std::vector<std::size_t>& places) {
  return std::any_of(places.begin(), places.end(),
                     [&](std::size_t k) { return !tensors[k].empty(); });
}

}  // namespace

RankRun::RankRun(const PipelineJob& job, const NamedTensors& parameters, Transport& transport)
    : job_(job),
      transport_(transport),
      parameters_(own_parameters(job, parameters, transport.rank(), ledger_)),
      update_(trained_weights(job.plan, job.program),
              only(parameters_, trained_weights(job.plan, job.program), transport.rank()),
              job.update, transport) {
  ledger_.add(update_.state_bytes());
  for (std::size_t s = 0; s < job.plan.stages.size(); ++s) {
    const int place = place_of(job.plan.stages[s], transport.rank());
    if (place >= 0) add_stage(static_cast<int>(s), place);
    if (!job.program.stages[s].has_loss) continue;
    const Stage& stage = job.plan.stages[s];
    losses_.resize(static_cast<std::size_t>(job.plan.batch / stage.micro_batch) *
                   stage.devices.size());
  }
}

const std::vector<int>& RankRun::edges(int stage, bool in) const {
  const StageGraph& graph = job_.program.graph;
  return (in ? graph.in : graph.out)[static_cast<std::size_t>(stage)];
}

void RankRun::add_stage(int stage, int place) {
  const Stage& plan = plan_of(stage);
  const int share = plan.micro_batch / static_cast<int>(plan.devices.size());
  OwnStage own{stage, place, nullptr, {}, {}, {}};
  const StageDeviceOptions options{job_.device, job_.run,
                                   static_cast<double>(share) / job_.plan.batch};
  own.device = std::make_unique<StageDevice>(job_.program.stages[static_cast<std::size_t>(stage)],
                                             options, ledger_);
  for (const int e : edges(stage, true)) add_incoming(own, e, true);
  for (const int e : edges(stage, false)) add_incoming(own, e, false);
  stages_.push_back(std::move(own));
}

void RankRun::add_incoming(OwnStage& own, int edge, bool forward) {
  const Stage& receiver = plan_of(own.stage);
  const Stage& sender = plan_of(forward ? edge_of(edge).from : edge_of(edge).to);
  const Tags tags = tags_of(job_.plan, job_.program, edge, forward);
  std::vector<Expected> tensors = expected(job_.network, job_.program, receiver, edge, forward);
  require(tags.of(tensors.size() + 1, 0) <= transport_.largest_tag(),
          "the plan needs more kinds of messages than the transport has: {}",
          transport_.largest_tag());
  auto& to = forward ? own.in : own.gradients;
  to.try_emplace(
      edge,
      Incoming::Setting{sender, receiver, own.place, job_.plan.batch,
                        slots(job_.plan, sender, receiver, forward), tags, std::move(tensors)},
      transport_, ledger_);
}

RankRun::OwnStage& RankRun::own_stage(int stage) {
  const auto found = std::find_if(stages_.begin(), stages_.end(),
                                  [&](const OwnStage& own) { return own.stage == stage; });
  check(found != stages_.end(), "stage {} is not of rank {}", stage, transport_.rank());
  return *found;
}

double RankRun::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
}

StepResult RankRun::step(const BatchData& data, double learning_rate, std::span<double> numbers) {
  try {
    return run(data, learning_rate, numbers);
  } catch (const std::exception& error) {
    // Before the memory of messages goes.
    const auto* known = dynamic_cast<const Error*>(&error);
    transport_.fail_all(error.what(),
                        exit_status(known != nullptr ? known->code() : ErrorCode::kInternal));
    throw;
  }
}

StepResult RankRun::run(const BatchData& data, double learning_rate, std::span<double> numbers) {
  begun_ = std::chrono::steady_clock::now();
  timeline_.clear();
  updated_.reset();
  gradients_.clear();
  std::fill(losses_.begin(), losses_.end(), 0.0);
  for (OwnStage& own : stages_) {
    own.device->set_parameters(parameters_);
    own.device->clear_gradients();
    for (auto& [edge, incoming] : own.in) incoming.begin();
    for (auto& [edge, incoming] : own.gradients) incoming.begin();
  }
  const auto rank = static_cast<std::size_t>(transport_.rank());
  for (const Action& action : job_.schedule.ranks.at(rank)) {
    act(action, data);
    finish_sends(false);
  }
  finish_sends(true);
  return finish(learning_rate, numbers);
}

void RankRun::act(const Action& action, const BatchData& data) {
  if (action.kind == Kind::kUpdate) {  // of all stages at once, in finish()
    updated_ = action;
    return;
  }
  const double start = seconds();
  if (is_send(action.kind)) {
    send(action);
    return;
  }
  OwnStage& own = own_stage(action.stage);
  if (is_pass(action.kind)) {
    pass(own, action, data);
  } else if (is_receive(action.kind)) {
    const bool forward = action.kind == Kind::kReceiveForward;
    (forward ? own.in : own.gradients).at(action.edge).wait(action.micro_batch);
  } else {
    collect_gradients();
    update_.reduce(action.stage, gradients_);
  }
  timeline_.push_back({action, start, seconds()});
}

void RankRun::pass(OwnStage& own, const Action& action, const BatchData& data) {
  if (action.kind == Kind::kForward) {
    own.micro_batches[action.micro_batch] = own.device->micro_batch();
  }
  MicroBatch& micro_batch = own.micro_batches.at(action.micro_batch);
  take_inputs(own, action, micro_batch, data);
  own.device->run(action.kind, micro_batch);
  if (action.kind == Kind::kForward && own.device->program().has_loss) {
    note_loss(own, action.micro_batch, micro_batch.loss);
    micro_batch.loss = Tensor();
  }
  keep_outgoing(own, action, micro_batch);
  release(own, action, micro_batch);
  const bool last = action.kind == Kind::kBackward || action.kind == Kind::kWeightGradient;
  if (last) own.micro_batches.erase(action.micro_batch);
}

void RankRun::take_inputs(OwnStage& own, const Action& action, MicroBatch& micro_batch,
                          const BatchData& data) {
  const StageProgram& program = own.device->program();
  const auto take = [&](std::map<int, Incoming>& from, const std::vector<EdgePlace>& list,
                        std::vector<Tensor>& to) {
    for (auto& [edge, incoming] : from) {
      const std::vector<std::size_t> places = places_of(list, edge);
      std::vector<Tensor> tensors = incoming.take(action.micro_batch);
      for (std::size_t k = 0; k < tensors.size(); ++k) to[places.at(k)] = std::move(tensors[k]);
    }
  };
  if (action.kind == Kind::kBackward || action.kind == Kind::kInputGradient) {
    take(own.gradients, program.seeds, micro_batch.seeds);
  }
  if (action.kind != Kind::kForward) return;
  take(own.in, program.received, micro_batch.received);
  if (program.data.empty()) return;
  const NamedTensors inputs = data(share(plan_of(own.stage), action.micro_batch, own.place));
  for (std::size_t k = 0; k < program.data.size(); ++k) {
    const auto found = inputs.find(program.data[k]);
    require(found != inputs.end(), "the data have no input '{}'", program.data[k]);
    micro_batch.data[k] = ledger_.count(found->second);
  }
}

void RankRun::keep_outgoing(OwnStage& own, const Action& action, const MicroBatch& micro_batch) {
  const bool forward = action.kind == Kind::kForward;
  if (action.kind == Kind::kWeightGradient) return;
  const StageProgram& program = own.device->program();
  for (const int e : edges(own.stage, !forward)) {
    std::vector<Tensor>& tensors = outgoing_[{forward, e, action.micro_batch}];
    if (!forward) {
      for (const std::size_t k : places_of(program.received, e)) {
        const Tensor& gradient = micro_batch.received_gradients[k];
        if (!gradient.empty()) tensors.push_back(gradient);
      }
      continue;
    }
    for (const EdgeTensor& tensor : job_.program.tensors[static_cast<std::size_t>(e)]) {
      const auto at = std::find(program.sent.begin(), program.sent.end(), tensor.value);
      tensors.push_back(micro_batch.sent[static_cast<std::size_t>(at - program.sent.begin())]);
    }
  }
}

void RankRun::release(OwnStage& own, const Action& action, MicroBatch& micro_batch) {
  const StageProgram& program = own.device->program();
  const auto used = [&](std::map<int, Incoming>& from, const std::vector<EdgePlace>& list,
                        const std::vector<Tensor>& tensors) {
    std::vector<Incoming*> result;
    for (auto& [edge, incoming] : from) {
      if (any_there(tensors, places_of(list, edge))) result.push_back(&incoming);
    }
    return result;
  };
  const auto in = used(own.in, program.received, micro_batch.received);
  const auto gradients = used(own.gradients, program.seeds, micro_batch.seeds);
  own.device->release(action.kind, micro_batch);
  const auto still_in = used(own.in, program.received, micro_batch.received);
  const auto still_gradients = used(own.gradients, program.seeds, micro_batch.seeds);
  const auto free_gone = [](const std::vector<Incoming*>& before,
                            const std::vector<Incoming*>& after) {
    for (Incoming* incoming : before) {
      if (std::count(after.begin(), after.end(), incoming) == 0) incoming->free_slot();
    }
  };
  free_gone(in, still_in);
  free_gone(gradients, still_gradients);
}

void RankRun::note_loss(const OwnStage& own, int micro_batch, const Tensor& loss) {
  const Stage& plan = plan_of(own.stage);
  const std::size_t devices = plan.devices.size();
  const double share = static_cast<double>(plan.micro_batch) / static_cast<double>(devices);
  losses_[static_cast<std::size_t>(micro_batch) * devices + static_cast<std::size_t>(own.place)] =
      loss.to_doubles()[0] * share / job_.plan.batch;
}

void RankRun::send(const Action& action) {
  const bool forward = action.kind == Kind::kSendForward;
  const auto found = outgoing_.find({forward, action.edge, action.micro_batch});
  check(found != outgoing_.end(), "{} has nothing to send", to_string(action));
  const std::vector<Tensor> tensors = std::move(found->second);
  outgoing_.erase(found);
  const Ends both = ends(job_.plan, job_.program.graph, message_of(action));
  const int place = place_of(both.sender, transport_.rank());
  const Samples own = share(both.sender, action.micro_batch, place);
  const Tags tags = tags_of(job_.plan, job_.program, action.edge, forward);
  std::vector<EdgeTensor> kinds;
  for (const EdgeTensor& t : job_.program.tensors[static_cast<std::size_t>(action.edge)]) {
    if (forward || t.gradient) kinds.push_back(t);
  }
  check(kinds.size() == tensors.size(), "{}: {} tensors of {}", to_string(action), tensors.size(),
        kinds.size());
  const std::vector<Part> parts = parts_sent(both.sender, both.receiver, action.micro_batch, place);
  const auto rank_of = [&](const Part& part) {
    return both.receiver.devices[static_cast<std::size_t>(part.to_place)];
  };
  if (tensors.empty()) {
    for (const Part& part : parts) {
      sending_.push_back({transport_.send(rank_of(part), tags.of(0, part.to_micro_batch), {})});
    }
  }
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    for (const Part& part : parts) {
      Sending sending{0, tensors[t], {}};
      const Rows rows = rows_of(kinds[t], part.samples, own, tensors[t]);
      std::span<const std::byte> bytes = contiguous(sending.tensor, rows);
      if (bytes.empty()) {
        sending.packed.resize(static_cast<std::size_t>(bytes_of(tensors[t], rows)));
        pack(tensors[t], rows, sending.packed);
        bytes = sending.packed;
      }
      sending.message = transport_.send(rank_of(part), tags.of(t, part.to_micro_batch), bytes);
      sending_.push_back(std::move(sending));
    }
  }
}

void RankRun::finish_sends(bool wait) {
  std::erase_if(sending_, [&](const Sending& sending) {
    if (wait) transport_.wait(sending.message);
    return wait || transport_.is_done(sending.message);
  });
}

void RankRun::collect_gradients() {
  if (!gradients_.empty()) return;
  for (OwnStage& own : stages_) {
    const std::vector<StageWeight>& weights = own.device->program().weights;
    for (std::size_t w = 0; w < weights.size(); ++w) {
      if (!weights[w].trained) continue;
      const Tensor gradient = own.device->gradient(w);
      const auto [entry, first] = gradients_.try_emplace(weights[w].name, gradient);
      if (first) continue;
      const std::span<float> sum = entry->second.span<float>();
      const std::span<const float> more = gradient.span<float>();
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
    }
  }
}

StepResult RankRun::finish(double learning_rate, std::span<double> numbers) {
  check(outgoing_.empty(), "{} messages were not sent", outgoing_.size());
  collect_gradients();
  std::vector<double> all = losses_;
  all.insert(all.end(), numbers.begin(), numbers.end());
  StepResult result;
  const double squared = update_.sum_rest(gradients_, all);
  result.gradient_norm = std::sqrt(squared);
  const double start = seconds();
  update_.step(gradients_, learning_rate, squared);
  if (updated_) timeline_.push_back({*updated_, start, seconds()});
  update_.share();
  for (std::size_t i = 0; i < losses_.size(); ++i) result.loss += all[i];
  std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(losses_.size()), numbers.size(),
              numbers.begin());
  return result;
}

}  // namespace lamina::pipeline
