// Which samples of the batch a device of a stage works on, and who has to exchange them.
#pragma once

#include <vector>

#include "lamina/pipeline.h"

namespace lamina::pipeline {

// Samples [begin, end) of the batch.
struct Samples {
  int begin = 0;
  int end = 0;
};
inline Samples micro_batch_samples(const Stage& stage, int micro_batch) {
  return {micro_batch * stage.micro_batch, (micro_batch + 1) * stage.micro_batch};
}
// Of device number `place` of the stage.
inline Samples share(const Stage& stage, int micro_batch, int place) {
  const int size = stage.micro_batch / static_cast<int>(stage.devices.size());
  const int begin = micro_batch * stage.micro_batch + place * size;
  return {begin, begin + size};
}
// The micro-batches [begin, end) of a stage that have some of the samples.
struct MicroBatches {
  int begin = 0;
  int end = 0;
};
inline MicroBatches micro_batches_with(const Stage& stage, const Samples& samples) {
  return {samples.begin / stage.micro_batch,
          (samples.end + stage.micro_batch - 1) / stage.micro_batch};
}

}  // namespace lamina::pipeline
