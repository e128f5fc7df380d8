// The learning rate of a step.
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "lamina/train.h"

namespace lamina::train {
namespace {

void validate(const LearningRateOptions& options) {
  require(std::isfinite(options.learning_rate) && options.learning_rate >= 0.0,
          "learning_rate {}: expected a number of at least 0", options.learning_rate);
  require(options.warmup_steps >= 0, "warmup_steps {}: expected at least 0", options.warmup_steps);
  require(options.final_fraction >= 0.0 && options.final_fraction <= 1.0,
          "final_fraction {}: expected 0 to 1", options.final_fraction);
  require(options.decay_every > 0, "decay_every {}: expected at least 1", options.decay_every);
  require(options.decay_factor > 0.0 && options.decay_factor <= 1.0,
          "decay_factor {}: expected above 0, at most 1", options.decay_factor);
}

// How much of the way from the end of the warm-up to the last step is done, 0 to 1.
double progress(const LearningRateOptions& options, std::int64_t step, std::int64_t total) {
  const std::int64_t way = total - 1 - options.warmup_steps;
  if (way <= 0) return 0.0;
  const double done = static_cast<double>(step - options.warmup_steps) / static_cast<double>(way);
  return std::min(done, 1.0);
}

double factor(const LearningRateOptions& options, std::int64_t step, std::int64_t total) {
  if (options.schedule == "constant") return 1.0;
  if (options.schedule == "step") {
    const std::int64_t decays = (step - options.warmup_steps) / options.decay_every;
    return std::pow(options.decay_factor, static_cast<double>(decays));
  }
  const double done = progress(options, step, total);
  const double left = options.final_fraction;
  if (options.schedule == "linear") return 1.0 + (left - 1.0) * done;
  if (options.schedule == "cosine") {
    return left + (1.0 - left) * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
  }
  fail(ErrorCode::kInvalidArgument,
       "schedule '{}' of the learning rate: expected constant, cosine, linear or step",
       options.schedule);
}

}  // namespace

double learning_rate(const LearningRateOptions& options, std::int64_t step,
                     std::int64_t total_steps) {
  validate(options);
  require(step >= 0, "learning rate of step {}: expected at least 0", step);
  if (step >= options.warmup_steps) {
    return options.learning_rate * factor(options, step, total_steps);
  }
  factor(options, options.warmup_steps, total_steps);  // refuses a schedule that does not exist
  return options.learning_rate * static_cast<double>(step + 1) /
         static_cast<double>(options.warmup_steps);
}

}  // namespace lamina::train
