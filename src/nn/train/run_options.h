// What all loops of training ask of their options, and where they begin.
#pragma once

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

}  // namespace lamina::train
