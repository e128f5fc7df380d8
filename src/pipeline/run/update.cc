// Sums, norms, steps, and how the parts of a sharded optimiser come together.
#include "pipeline/run/update.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"
#include "pipeline/comm/tensors.h"

namespace lamina::pipeline {
namespace {

// The state of one parameter, out of those of all.
NamedTensors state_of(const NamedTensors& state, const std::string& parameter) {
  NamedTensors result;
  const std::string prefix = parameter + "/";
  for (const auto& [name, tensor] : state) {
    const bool own = name.starts_with(prefix) && name.find('/', prefix.size()) == name.npos;
    if (own) result[name] = tensor;
  }
  return result;
}

// Copies this rank's, or another's, part of a state into the whole, or back. Scalars are whole.
void merge_part(const Tensor& part, const Elements& elements, const Shape& shape, Tensor& whole) {
  if (part.shape().empty()) {
    whole = part.clone();
    return;
  }
  if (whole.empty()) whole = Tensor(part.dtype(), shape);
  Tensor to = part_of(whole, elements);
  check(part.bytes() == to.bytes(), "a part of {} bytes for {}", part.bytes(), to.bytes());
  std::copy_n(part.data(), part.bytes(), to.data());
}

}  // namespace

std::vector<TrainedWeight> trained_weights(const Plan& plan, const PipelineProgram& program) {
  std::map<std::string, TrainedWeight> found;
  for (std::size_t s = 0; s < program.stages.size(); ++s) {
    const Stage& stage = plan.stages[s];
    for (const StageWeight& weight : program.stages[s].weights) {
      if (!weight.trained) continue;
      TrainedWeight& entry = found[weight.name];
      entry.shard = stage.shard_optimizer && (entry.stages.empty() || entry.shard);
      entry.name = weight.name;
      entry.stages.push_back(static_cast<int>(s));
      for (const int rank : stage.devices) {
        const bool known = std::count(entry.ranks.begin(), entry.ranks.end(), rank) > 0;
        if (!known) entry.ranks.push_back(rank);
      }
    }
  }
  std::vector<TrainedWeight> weights;
  for (auto& [name, weight] : found) {
    weight.shard = weight.shard && weight.ranks.size() > 1;
    weights.push_back(std::move(weight));
  }
  return weights;
}

Tensor part_of(const Tensor& whole, const Elements& elements) {
  const auto offset = static_cast<std::size_t>(whole.data() - whole.buffer()->data());
  const auto first = static_cast<std::size_t>(elements.begin) *
                     static_cast<std::size_t>(traits(whole.dtype()).block_bytes);
  Shape shape = {elements.size()};
  if (whole.shape().size() > 1) shape.insert(shape.begin(), 1);
  return {whole.dtype(), Layout::dense(std::move(shape)), whole.buffer(), offset + first};
}

std::vector<Update::Own> Update::own_weights(const std::vector<TrainedWeight>& weights, int rank) {
  std::vector<Own> own;
  for (std::size_t w = 0; w < weights.size(); ++w) {
    const std::vector<int>& ranks = weights[w].ranks;
    const auto found = std::find(ranks.begin(), ranks.end(), rank);
    if (found == ranks.end()) continue;
    own.push_back({w, {ranks, static_cast<int>(found - ranks.begin())}, false});
  }
  return own;
}

Update::Update(const std::vector<TrainedWeight>& weights, const NamedTensors& parameters,
               const UpdateOptions& options, Transport& transport)
    : weights_(weights),
      parameters_(parameters),
      clip_norm_(options.clip_norm),
      transport_(transport),
      own_(own_weights(weights, transport.rank())),
      optimizer_(options.optimizer, updated(parameters), options.run) {}

NamedTensors Update::updated(const NamedTensors& whole) const {
  NamedTensors result;
  for (const Own& own : own_) {
    const Tensor& tensor = whole.at(weight(own).name);
    if (!weight(own).shard) {
      result[weight(own).name] = tensor;
      continue;
    }
    const Elements mine = owned(own.group, own.group.place, tensor.size());
    if (mine.size() > 0) result[weight(own).name] = part_of(tensor, mine);
  }
  return result;
}

void Update::sum(Own& own, NamedTensors& gradients) {
  Tensor& gradient = gradients.at(weight(own).name);
  sum_owned(transport_, own.group, kSumTag, std::span(&gradient, 1));
  gather_owned(transport_, own.group, kSumTag, std::span(&gradient, 1));
  own.done = true;
}

void Update::reduce(int stage, NamedTensors& gradients) {
  for (Own& own : own_) {
    if (weight(own).stages == std::vector<int>{stage}) sum(own, gradients);
  }
}

double Update::sum_rest(NamedTensors& gradients, std::vector<double>& numbers) {
  for (Own& own : own_) {
    if (!own.done) sum(own, gradients);
    own.done = false;
  }
  // Each norm comes from the first rank that has the gradient.
  const std::size_t before = numbers.size();
  numbers.resize(before + weights_.size(), 0.0);
  for (const Own& own : own_) {
    if (own.group.place != 0) continue;
    numbers[before + own.number] = train::squared_norm(gradients.at(weight(own).name));
  }
  sum_numbers(transport_, kNumbersTag, numbers);
  double squared = 0.0;
  for (std::size_t w = before; w < numbers.size(); ++w) squared += numbers[w];
  numbers.resize(before);
  if (!std::isfinite(squared)) {
    fail(ErrorCode::kExhausted, "the norm of the gradients is {}", std::sqrt(squared));
  }
  return squared;
}

void Update::step(const NamedTensors& gradients, double learning_rate, double squared_norm) {
  optimizer_.step(updated(gradients), learning_rate, train::clip_factor(squared_norm, clip_norm_));
}

void Update::share() {
  for (const Own& own : own_) {
    if (!weight(own).shard) continue;
    Tensor& parameter = parameters_.at(weight(own).name);
    gather_owned(transport_, own.group, kSumTag, std::span(&parameter, 1));
  }
}

void Update::collect(NamedTensors& parameters, NamedTensors& state) {
  const int ranks = transport_.ranks();
  NamedTensors own_parameters, own_state;
  const NamedTensors all_state = optimizer_.state();
  for (const Own& own : own_) {
    const std::string& name = weight(own).name;
    if (own.group.place == 0) own_parameters[name] = parameters_.at(name);
    if (own.group.place == 0 || weight(own).shard) own_state.merge(state_of(all_state, name));
  }
  if (transport_.rank() != 0) {
    send_tensors(transport_, 0, kCollectTag, own_parameters);
    send_tensors(transport_, 0, kCollectTag, own_state);
    return;
  }
  std::vector<NamedTensors> states = {own_state};
  for (int rank = 0; rank < ranks; ++rank) {
    if (rank > 0) {
      own_parameters = receive_tensors(transport_, rank, kCollectTag);
      states.push_back(receive_tensors(transport_, rank, kCollectTag));
    }
    for (const auto& [name, tensor] : own_parameters) parameters[name] = tensor.clone();
  }
  for (const TrainedWeight& weight : weights_) {
    const Shape& shape = parameters.at(weight.name).shape();
    const Group group{weight.ranks, 0};
    for (int place = 0; place < (weight.shard ? group.size() : 1); ++place) {
      const auto rank = static_cast<std::size_t>(weight.ranks[static_cast<std::size_t>(place)]);
      const std::int64_t count = element_count(shape);
      const Elements elements = weight.shard ? owned(group, place, count) : Elements{0, count};
      for (const auto& [name, part] : state_of(states[rank], weight.name)) {
        merge_part(part, elements, shape, state[name]);
      }
    }
  }
}

void Update::load_state(const NamedTensors& state) {
  NamedTensors mine;
  for (const Own& own : own_) {
    const std::string& name = weight(own).name;
    const Tensor& parameter = parameters_.at(name);
    for (const auto& [key, whole] : state_of(state, name)) {
      if (!weight(own).shard || whole.shape().empty()) {
        mine[key] = whole;
        continue;
      }
      require(whole.shape() == parameter.shape(), "the state '{}' has the shape {}; expected {}",
              key, to_string(whole.shape()), to_string(parameter.shape()));
      mine[key] = part_of(whole.dense(), owned(own.group, own.group.place, whole.size()));
    }
  }
  optimizer_.load_state(mine);
}

}  // namespace lamina::pipeline
