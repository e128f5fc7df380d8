// What all loops of training ask of their options, and where they begin.
#pragma once

#include <string>

#include "lamina/train.h"

namespace lamina::train {

// Throws kInvalidArgument for options out of range, and for a folder of checkpoints that the run
// would neither go on from nor leave alone.
void check_options(const TrainOptions& options);
// Steps of the whole run.
std::int64_t total_steps(const TrainOptions& options, std::int64_t samples);
// Throws kInvalidArgument unless the checkpoint is of this network and seed.
Checkpoint load_checkpoint_of(const std::string& path, const std::string& network,
                              const TrainOptions& options);

// What a line of progress says of the last step. `first` steps were done before this process began;
// what it has done, and how long that took, says how fast it is.
struct Pace {
  std::int64_t first = 0;
  std::int64_t steps = 0;  // of the whole run
  std::int64_t batch = 0;
  double seconds = 0.0;  // of the steps of this process
};
std::string pace_text(const LogEntry& entry, const Pace& pace);

}  // namespace lamina::train
