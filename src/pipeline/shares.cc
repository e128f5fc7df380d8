// Shares of samples.
#include "pipeline/shares.h"

#include <algorithm>

namespace lamina::pipeline {

int samples_of_place(const Stage& stage, int place, const Samples& samples) {
  const MicroBatches some = micro_batches_with(stage, samples);
  int count = 0;
  for (int m = some.begin; m < some.end; ++m) {
    const Samples own = share(stage, m, place);
    count += std::max(0, std::min(own.end, samples.end) - std::max(own.begin, samples.begin));
  }
  return count;
}

}  // namespace lamina::pipeline
