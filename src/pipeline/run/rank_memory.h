// What a rank will hold at most, before it runs.
#pragma once

#include "pipeline/run/stage_program.h"

namespace lamina::pipeline {

struct MemoryBound {
  double parameters = 0.0;       // and the sums of their gradients
  double made_of_weights = 0.0;  // packs of them, and values of them alone, on the cpu device
  double micro_batches = 0.0;    // what is kept of those in flight, received for them, and sent
  double outputs = 0.0;          // what a pass has besides
  double arena = 0.0;            // of the cpu device

  double total() const { return parameters + made_of_weights + micro_batches + outputs + arena; }
};

// Of a rank, without the optimiser's state: by the programs of its stages and the limits of the
// plan, however late messages are.
MemoryBound rank_memory(const GraphComputation& network, const Plan& plan,
                        const PipelineProgram& program, int rank);

}  // namespace lamina::pipeline
