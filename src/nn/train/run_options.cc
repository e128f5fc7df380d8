// Checks of the options of a run.
#include "nn/train/run_options.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/check.h"

namespace lamina::train {

void check_options(const TrainOptions& options) {
  require(options.steps >= 0, "steps {}: expected at least 0", options.steps);
  require(options.epochs > 0.0, "epochs {}: expected above 0", options.epochs);
  require(options.batch > 0, "batch {}: expected at least 1", options.batch);
  require(options.micro_batch >= 0 &&
              (options.micro_batch == 0 || options.batch % options.micro_batch == 0),
          "micro_batch {} does not divide the batch of {}", options.micro_batch, options.batch);
  require(options.checkpoint_every > 0, "checkpoint_every {}: expected at least 1",
          options.checkpoint_every);
  require(options.keep > 0, "keep {}: expected at least 1", options.keep);
  const TrainOptions defaults;
  require(!options.checkpoints.empty() || (options.checkpoint_every == defaults.checkpoint_every &&
                                           options.keep == defaults.keep),
          "checkpoint_every and keep: say where the checkpoints are");
  require(options.test_every >= 0, "test_every {}: expected at least 0", options.test_every);
  require(!options.resume || !options.checkpoints.empty(), "resume: say where the checkpoints are");
  if (options.resume || !std::filesystem::exists(options.checkpoints)) return;
  const std::optional<std::string> known = latest_checkpoint(options.checkpoints);
  require(!known, "there is a checkpoint already: '{}'; resume from it, or give another folder",
          known.value_or(""));
}

std::int64_t total_steps(const TrainOptions& options, std::int64_t samples) {
  if (options.steps > 0) return options.steps;
  const double steps =
      options.epochs * static_cast<double>(samples) / static_cast<double>(options.batch);
  return std::max<std::int64_t>(1, std::llround(steps));
}

Checkpoint load_checkpoint_of(const std::string& path, const std::string& network,
                              const TrainOptions& options) {
  Checkpoint checkpoint = load_checkpoint(path);
  require(checkpoint.network == network, "{} is of network '{}'; this one is '{}'", path,
          checkpoint.network, network);
  require(checkpoint.seed == static_cast<std::uint64_t>(options.seed),
          "{} was made with the seed {}; this run has {}", path, checkpoint.seed, options.seed);
  return checkpoint;
}

std::string pace_text(const LogEntry& entry, const Pace& pace) {
  const auto done = static_cast<double>(entry.step - pace.first);
  const double samples_per_s =
      done * static_cast<double>(pace.batch) / std::max(1e-9, pace.seconds);
  const double left_s =
      pace.seconds / std::max(1.0, done) * static_cast<double>(pace.steps - entry.step);
  return fmt::format("step {}/{}  loss {:.4f}  {:.0f} samples/s  {:.0f} s left", entry.step,
                     pace.steps, entry.loss, samples_per_s, left_s);
}

}  // namespace lamina::train
