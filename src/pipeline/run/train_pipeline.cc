// The training loop of one rank.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <mutex>
#include <optional>

#include "base/check.h"
#include "base/progress.h"
#include "exec/cuda/cuda_device.h"
#include "lamina/pipeline_run.h"
#include "nn/train/run_options.h"
#include "nn/train/step_program.h"
#include "pipeline/comm/tensors.h"
#include "pipeline/comm/threads.h"
#include "pipeline/run/prepare.h"
#include "pipeline/run/rank_memory.h"
#include "pipeline/run/rank_run.h"
#include "pipeline/run/timelines.h"

namespace lamina::pipeline {
namespace {

using Clock = std::chrono::steady_clock;
using Watch = std::function<void(const train::LogEntry&)>;

// What a plan says already.
void check_planning(const train::TrainOptions& options, const PipelineOptions& pipeline) {
  if (pipeline.plan.empty()) return;
  const PipelineOptions defaults;
  require(pipeline.planner == defaults.planner &&
              pipeline.pipeline_schedule == defaults.pipeline_schedule &&
              pipeline.recompute == defaults.recompute &&
              pipeline.shard_optimizer == defaults.shard_optimizer &&
              pipeline.most_operators == defaults.most_operators &&
              pipeline.limit_s == defaults.limit_s && options.micro_batch == 0,
          "planner, pipeline_schedule, recompute, shard_optimizer, operators, limit and "
          "micro_batch are for making a plan: '{}' is one",
          pipeline.plan);
}

// What a description of the machines says already.
void check_machines(const PipelineOptions& pipeline) {
  if (pipeline.cluster.empty()) return;
  const PipelineOptions defaults;
  require(pipeline.memory_bytes == defaults.memory_bytes &&
              pipeline.bandwidth_bytes_per_s == defaults.bandwidth_bytes_per_s &&
              pipeline.latency_s == defaults.latency_s,
          "memory, bandwidth and latency are of equal ranks: '{}' says what its machines have",
          pipeline.cluster);
}

void check_for_ranks(const train::TrainOptions& options, const PipelineOptions& pipeline) {
  train::check_options(options);
  check_planning(options, pipeline);
  check_machines(pipeline);
  find_device(options.device);
  if (pipeline.profile && options.device != "cpu") {
    fail(ErrorCode::kUnsupported, "profile: costs are measured on the device cpu, not on '{}'",
         options.device);
  }
  require(options.batch <= INT32_MAX, "batch {}: expected at most {}", options.batch, INT32_MAX);
}

std::string device_of_rank(const std::string& device, const Transport& transport) {
  if (device != "cuda") return device;
  const auto gpus = cuda_devices();
  check(!gpus.empty(), "the device cuda was found, and is gone");
  const int own = gpu_of(transport, static_cast<int>(gpus.size()));
  return std::string(gpus[static_cast<std::size_t>(own)]->name());
}

UpdateOptions update_options(const train::TrainTask& task, const RunOptions& run) {
  return {task.optimizer, task.options.clip_norm, run};
}

// What a run of all ranks begins with, and its parameters.
class RankTraining {
 public:
  RankTraining(const train::TrainTask& task, const PipelineOptions& options, Transport& transport,
               const Watch& watch)
      : task_(task),
        options_(task.options),
        transport_(transport),
        watch_(watch),
        run_options_{.threads = threads_of_rank(options_, transport)},
        steps_(train::total_steps(options_, task.training.size())),
        prepared_(prepare_run(task, options, transport)),
        parameters_(train::initial_parameters(task.network, seed())),
        order_(seed(), task.training.size()),
        job_{prepared_.network,
             prepared_.plan,
             prepared_.schedule,
             prepared_.program,
             device_of_rank(options_.device, transport),
             run_options_,
             update_options(task, run_options_)} {
    const std::optional<train::Checkpoint> checkpoint = find_checkpoint();
    if (checkpoint) train::restore_parameters(*checkpoint, parameters_);
    run_.emplace(job_, parameters_, transport);
    if (checkpoint) {
      run_->update().load_state(checkpoint->optimizer);
      step_ = checkpoint->step;
      cursor_ = checkpoint->cursor;
      loss_ = checkpoint->loss;
      first_ = step_;
    }
    if (!is_root()) parameters_.clear();
    if (is_root() && !options_.log.empty()) log_.emplace(options_.log, step_);
  }

  PipelineResult run(const std::stop_token& stop) {
    bool stopped = false;
    while (step_ < steps_ && !stopped) {
      stopped = train_step(stop);
      const bool last = step_ == steps_;
      const bool tests = options_.test_every > 0 && step_ % options_.test_every == 0;
      const bool saves = step_ % options_.checkpoint_every == 0 || stopped;
      if (last || tests || saves) gather(last || tests, last || saves);
    }
    line_.clear();
    return finish();
  }

 private:
  std::uint64_t seed() const { return static_cast<std::uint64_t>(options_.seed); }
  bool is_root() const { return transport_.rank() == 0; }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  // All ranks go on from the checkpoint that rank 0 finds.
  std::optional<train::Checkpoint> find_checkpoint() {
    if (!options_.resume) return std::nullopt;
    std::string path;
    if (is_root()) {
      path = train::latest_checkpoint(options_.checkpoints).value_or("");
      for (int r = 1; r < transport_.ranks(); ++r) send_text(transport_, r, kRunTag, path);
    } else {
      path = receive_text(transport_, 0, kRunTag);
    }
    if (path.empty()) return std::nullopt;
    return train::load_checkpoint_of(path, task_.network.name, options_);
  }

  // Whether any rank was asked to stop.
  bool train_step(const std::stop_token& stop) {
    const double begin = seconds();
    const double rate = train::learning_rate(task_.learning_rate, step_, steps_);
    double stops = stop.stop_requested() ? 1.0 : 0.0;
    const StepResult result = run_->step(
        [&](const Samples& s) {
          return task_.training.batch(order_.range(cursor_ + s.begin, s.end - s.begin));
        },
        rate, std::span(&stops, 1));
    if (!std::isfinite(result.loss)) {
      fail(ErrorCode::kExhausted, "step {}: the loss is {}", step_ + 1, result.loss);
    }
    cursor_ += options_.batch;
    ++step_;
    loss_ = result.loss;
    step_seconds_.push_back(seconds() - begin);
    training_s_ += step_seconds_.back();
    report({.step = step_,
            .loss = result.loss,
            .learning_rate = rate,
            .gradient_norm = result.gradient_norm,
            .seconds = seconds(),
            .samples = step_ * options_.batch});
    return stops > 0.0;
  }

  void report(const train::LogEntry& entry) {
    if (!is_root()) return;
    if (log_) log_->append(entry);
    if (watch_) watch_(entry);
    if (entry.test) return;
    line_.show(train::pace_text(entry, {first_, steps_, options_.batch, training_s_}));
  }

  // Brings everything to rank 0, which tests and saves while the others wait.
  void gather(bool tests, bool saves) {
    tests = tests && task_.test != nullptr;
    saves = saves && !options_.checkpoints.empty();
    const bool last = step_ == steps_;
    if (!tests && !saves && !last) return;
    train::Checkpoint checkpoint{.network = task_.network.name,
                                 .step = step_,
                                 .cursor = cursor_,
                                 .seed = seed(),
                                 .loss = loss_};
    run_->update().collect(parameters_, checkpoint.optimizer);
    if (!is_root()) return;
    if (saves) {
      checkpoint.parameters = parameters_;
      checkpoint.notes["plan"] = to_json(prepared_.plan);
      train::save_checkpoint(options_.checkpoints, checkpoint, options_.keep);
    }
    if (tests) test();
  }

  void test() {
    train::LogEntry entry =
        train::evaluate(task_.network, parameters_, *task_.test, options_.batch, run_options_);
    entry.step = step_;
    entry.samples = step_ * options_.batch;
    entry.seconds = seconds();
    test_loss_ = entry.loss;
    test_accuracy_ = entry.accuracy;
    report(entry);
  }

  PipelineResult finish() {
    PipelineResult result;
    train::TrainResult& training = result.training;
    training.steps = step_;
    training.before = first_;
    training.loss = loss_;
    training.test_loss = test_loss_;
    training.test_accuracy = test_accuracy_;
    training.seconds = seconds();
    training.samples_per_s =
        static_cast<double>((step_ - first_) * options_.batch) / std::max(1e-9, training_s_);
    training.stopped = step_ < steps_;
    training.parameters = parameters_;
    result.plan = prepared_.plan;
    result.ended_early = prepared_.ended_early;
    result.schedule = prepared_.schedule;
    result.predicted_s = prepared_.predicted_s;
    if (step_seconds_.size() > 1) {
      std::vector<double> steady(step_seconds_.begin() + 1, step_seconds_.end());
      std::nth_element(steady.begin(), steady.begin() + std::ssize(steady) / 2, steady.end());
      result.step_s = steady[steady.size() / 2];
    }
    result.measured.ranks = gather_timelines(transport_, kRunTag, run_->timeline());
    result.measured.iteration_s = result.step_s;
    report_ranks(result);
    return result;
  }

  void report_ranks(PipelineResult& result) {
    const auto ranks = static_cast<std::size_t>(transport_.ranks());
    const auto rank = static_cast<std::size_t>(transport_.rank());
    const MemoryBound bound =
        rank_memory(prepared_.network, prepared_.plan, prepared_.program, transport_.rank());
    std::vector<double> peaks(ranks, 0.0), predicted(ranks, 0.0), seconds(ranks, 0.0);
    peaks[rank] = static_cast<double>(run_->ledger().peak());
    predicted[rank] = bound.total() + static_cast<double>(run_->update().state_bytes());
    sum_numbers(transport_, kRunTag, peaks);
    sum_numbers(transport_, kRunTag, predicted);
    if (!step_seconds_.empty()) seconds[rank] = step_seconds_.back();
    sum_numbers(transport_, kRunTag, seconds);
    if (!is_root()) return;
    result.measured.peak_bytes = peaks;
    const double iteration_s = *std::max_element(seconds.begin(), seconds.end());
    for (std::size_t r = 0; r < ranks; ++r) {
      RankReport& report = result.ranks.emplace_back();
      for (std::size_t s = 0; s < prepared_.plan.stages.size(); ++s) {
        const std::vector<int>& devices = prepared_.plan.stages[s].devices;
        const bool own = std::count(devices.begin(), devices.end(), static_cast<int>(r)) > 0;
        if (own) report.stages.push_back(static_cast<int>(s));
      }
      report.busy = busy_share(result.measured.ranks[r], iteration_s);
      report.peak_bytes = peaks[r];
      report.predicted_bytes = predicted[r];
      report.planned_bytes = prepared_.planned_bytes[r];
    }
  }

  const train::TrainTask& task_;
  const train::TrainOptions& options_;
  Transport& transport_;
  const Watch& watch_;
  RunOptions run_options_;
  std::int64_t steps_;
  PreparedRun prepared_;
  NamedTensors parameters_;  // of the whole network; at rank 0 they follow the training
  train::SampleOrder order_;
  PipelineJob job_;
  std::optional<RankRun> run_;
  std::optional<train::LossLog> log_;
  ProgressLine line_;
  Clock::time_point start_ = Clock::now();
  std::vector<double> step_seconds_;
  double training_s_ = 0.0;
  double loss_ = std::numeric_limits<double>::quiet_NaN();
  std::optional<double> test_loss_;
  std::optional<double> test_accuracy_;
  std::int64_t step_ = 0;
  std::int64_t first_ = 0;  // steps of the checkpoint
  std::int64_t cursor_ = 0;
};

// Lets threads take turns.
class SharedDataset final : public train::Dataset {
 public:
  explicit SharedDataset(const train::Dataset& data) : data_(data) {}

  std::int64_t size() const override { return data_.size(); }
  NamedTensors batch(std::span<const std::int64_t> samples) const override {
    const std::scoped_lock lock(mutex_);
    return data_.batch(samples);
  }

 private:
  const train::Dataset& data_;
  mutable std::mutex mutex_;
};

}  // namespace

int rank_of(const Transport& transport) { return transport.rank(); }

PipelineResult train_pipeline(const train::TrainTask& task, const PipelineOptions& options,
                              Transport& transport, std::stop_token stop, const Watch& watch) {
  train::validate(task.network);
  check_for_ranks(task.options, options);
  if (!task.options.bf16) return RankTraining(task, options, transport, watch).run(stop);
  const train::Network rounded = train::in_bf16(task.network);
  const train::TrainTask own{rounded,        task.training,      task.test,
                             task.optimizer, task.learning_rate, task.options};
  return RankTraining(own, options, transport, watch).run(stop);
}

PipelineResult train_pipeline(const train::TrainTask& task, const PipelineOptions& options,
                              int ranks, std::stop_token stop, const Watch& watch) {
  require(ranks > 0, "{} ranks: expected at least 1", ranks);
  const SharedDataset training(task.training);
  const train::TrainTask shared{task.network,   training,           task.test,
                                task.optimizer, task.learning_rate, task.options};
  PipelineResult result;
  run_thread_ranks(ranks, {}, [&](Transport& transport) {
    PipelineResult own = train_pipeline(shared, options, transport, stop, watch);
    if (transport.rank() == 0) result = std::move(own);
  });
  return result;
}

}  // namespace lamina::pipeline
