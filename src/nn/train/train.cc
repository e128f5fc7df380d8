// The training loop of one process.
#include "lamina/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/json.h"
#include "base/progress.h"
#include "nn/train/run_options.h"
#include "nn/train/step_program.h"
#include "nn/train/tensor_names.h"

namespace lamina::train {
namespace {

using Clock = std::chrono::steady_clock;

NamedTensors only_trained(const Network& network, const NamedTensors& parameters) {
  NamedTensors trained;
  for (const std::string& name : trained_parameters(network)) trained[name] = parameters.at(name);
  return trained;
}

// Adds up the gradients of micro-batches.
class Accumulated {
 public:
  void start() { empty_ = true; }

  void add(const NamedTensors& gradients) {
    for (const auto& [name, gradient] : gradients) {
      if (empty_) {
        sums_[name] = gradient.clone().cast(DType::kF32);
        continue;
      }
      const Tensor f32 = gradient.cast(DType::kF32);
      const auto to = sums_[name].span<float>();
      const auto from = f32.span<float>();
      for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
    }
    empty_ = false;
  }

  const NamedTensors& sums() const { return sums_; }

 private:
  bool empty_ = true;
  NamedTensors sums_;
};

class Training {
 public:
  Training(const TrainTask& task, const std::function<void(const LogEntry&)>& watch)
      : task_(task),
        options_(task.options),
        network_(task.options.bf16 ? in_bf16(task.network) : task.network),
        run_{.threads = task.options.threads},
        steps_(total_steps(options_, task.training.size())),
        micro_batch_(options_.micro_batch > 0 ? options_.micro_batch : options_.batch),
        parameters_(initial_parameters(network_, static_cast<std::uint64_t>(options_.seed))),
        optimizer_(task.optimizer, only_trained(network_, parameters_), run_),
        order_(static_cast<std::uint64_t>(options_.seed), task.training.size()),
        program_(network_, micro_batch_, find_device(options_.device), run_),
        watch_(watch) {
    if (options_.resume) resume();
    first_ = step_;
    if (!options_.log.empty()) log_.emplace(options_.log, step_);
  }

  TrainResult run(const std::stop_token& stop) {
    TrainResult result;
    while (step_ < steps_ && !stop.stop_requested()) {
      loss_ = train_step();
      const bool last = step_ == steps_;
      if (last || (options_.test_every > 0 && step_ % options_.test_every == 0)) test(result);
      if (!last && step_ % options_.checkpoint_every == 0) save();
    }
    if (step_ > first_) save();
    line_.clear();
    result.steps = step_;
    result.before = first_;
    result.loss = loss_;
    result.stopped = step_ < steps_;
    result.seconds = seconds();
    result.samples_per_s =
        static_cast<double>((step_ - first_) * options_.batch) / std::max(1e-9, training_s_);
    result.parameters = parameters_;
    return result;
  }

 private:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  void resume() {
    const std::optional<std::string> path = latest_checkpoint(options_.checkpoints);
    if (!path) return;
    const Checkpoint checkpoint = load_checkpoint_of(*path, network_.name, options_);
    restore_parameters(checkpoint, parameters_);
    optimizer_.load_state(checkpoint.optimizer);
    step_ = checkpoint.step;
    cursor_ = checkpoint.cursor;
    loss_ = checkpoint.loss;
  }

  void save() const {
    if (options_.checkpoints.empty()) return;
    Checkpoint checkpoint{.network = network_.name, .step = step_, .cursor = cursor_};
    checkpoint.seed = static_cast<std::uint64_t>(options_.seed);
    checkpoint.loss = loss_;
    checkpoint.parameters = parameters_;
    checkpoint.optimizer = optimizer_.state();
    save_checkpoint(options_.checkpoints, checkpoint, options_.keep);
  }

  double train_step() {
    const Clock::time_point begin = Clock::now();
    program_.set_parameters(parameters_);
    gradients_.start();
    double loss = 0.0;
    const std::int64_t passes = options_.batch / micro_batch_;
    for (std::int64_t m = 0; m < passes; ++m) {
      const auto samples = order_.range(cursor_ + m * micro_batch_, micro_batch_);
      loss += program_.run(task_.training.batch(samples)) / static_cast<double>(passes);
      if (passes > 1) gradients_.add(program_.gradients());
    }
    const NamedTensors& gradients = passes > 1 ? gradients_.sums() : program_.gradients();
    const double share = 1.0 / static_cast<double>(passes);
    const double squared = squared_norm(gradients) * share * share;
    if (!std::isfinite(loss) || !std::isfinite(squared)) {
      line_.clear();
      fail(ErrorCode::kExhausted, "step {}: the loss is {}, the norm of its gradient {}", step_ + 1,
           loss, std::sqrt(squared));
    }
    const double rate = learning_rate(task_.learning_rate, step_, steps_);
    optimizer_.step(gradients, rate, share * clip_factor(squared, options_.clip_norm));
    cursor_ += options_.batch;
    ++step_;
    training_s_ += std::chrono::duration<double>(Clock::now() - begin).count();
    report({.step = step_,
            .loss = loss,
            .learning_rate = rate,
            .gradient_norm = std::sqrt(squared),
            .seconds = seconds(),
            .samples = step_ * options_.batch});
    return loss;
  }

  void test(TrainResult& result) {
    if (task_.test == nullptr) return;
    LogEntry entry = evaluate(network_, parameters_, *task_.test, options_.batch, run_);
    entry.step = step_;
    entry.samples = step_ * options_.batch;
    entry.seconds = seconds();
    result.test_loss = entry.loss;
    result.test_accuracy = entry.accuracy;
    report(entry);
  }

  void report(const LogEntry& entry) {
    if (log_) log_->append(entry);
    if (watch_) watch_(entry);
    if (entry.test) return;
    line_.show(pace_text(entry, {first_, steps_, options_.batch, training_s_}));
  }

  const TrainTask& task_;
  const TrainOptions& options_;
  Network network_;
  RunOptions run_;
  std::int64_t steps_;
  std::int64_t micro_batch_;
  NamedTensors parameters_;
  Optimizer optimizer_;
  SampleOrder order_;
  GradientProgram program_;
  Accumulated gradients_;
  std::optional<LossLog> log_;
  const std::function<void(const LogEntry&)>& watch_;
  ProgressLine line_;
  Clock::time_point start_ = Clock::now();
  double training_s_ = 0.0;
  double loss_ = std::numeric_limits<double>::quiet_NaN();
  std::int64_t step_ = 0;
  std::int64_t first_ = 0;  // steps of the checkpoint
  std::int64_t cursor_ = 0;
};

}  // namespace

TrainResult train(const TrainTask& task, std::stop_token stop,
                  const std::function<void(const LogEntry&)>& watch) {
  validate(task.network);
  check_options(task.options);
  return Training(task, watch).run(stop);
}

LogEntry evaluate(const Network& network, const NamedTensors& parameters, const Dataset& data,
                  std::int64_t batch, const RunOptions& run) {
  require(batch > 0, "batch {}: expected at least 1", batch);
  ForwardProgram program(network, parameters, run);
  const std::vector<Output>& outputs = network.graph.outputs;
  const auto correct = std::find_if(outputs.begin(), outputs.end(),
                                    [](const Output& o) { return o.name == "correct"; });
  LogEntry entry{.test = true};
  double right = 0.0, answers = 0.0;
  std::vector<std::int64_t> samples;
  for (std::int64_t at = 0; at < data.size(); at += batch) {
    samples.clear();
    for (std::int64_t i = at; i < std::min(at + batch, data.size()); ++i) samples.push_back(i);
    const std::vector<Tensor> results = program.run(data.batch(samples));
    entry.loss += results[0].to_doubles()[0] * static_cast<double>(samples.size());
    if (correct == outputs.end()) continue;
    const auto place = static_cast<std::size_t>(correct - outputs.begin());
    for (const double answer : results[place].to_doubles()) right += answer;
    answers += static_cast<double>(results[place].size());
  }
  entry.loss /= static_cast<double>(data.size());
  if (answers > 0.0) entry.accuracy = right / answers;
  return entry;
}

}  // namespace lamina::train
