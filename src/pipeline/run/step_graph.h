// The training step of a plan as one graph, to be compared with that of the whole network.
#pragma once

#include "lamina/graph.h"
#include "pipeline/run/stage_program.h"

namespace lamina::pipeline {

// The programs of the stages put together: every share of every micro-batch, tensors cut and joined
// along their samples between stages, gradients added up in order. Inputs are those of the network,
// with the samples of the whole batch; outputs are the loss and the gradients of the trained
// weights, by name. Throws kUnsupported where a tensor without an axis of samples goes between
// stages.
Graph partitioned_step(const GraphComputation& network, const Plan& plan,
                       const PipelineProgram& program);
// What it must equal: the loss of the batch, and its gradients.
Graph whole_step(const GraphComputation& network, const Plan& plan, const PipelineProgram& program);

}  // namespace lamina::pipeline
