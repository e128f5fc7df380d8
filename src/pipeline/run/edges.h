// How the tensors of edges are numbered: in messages, and in the programs of stages.
#pragma once

#include <vector>

#include "pipeline/run/incoming.h"
#include "pipeline/run/stage_program.h"

namespace lamina::pipeline {

// The places in `list`, which is sorted by edge, that are of this edge.
std::vector<std::size_t> places_of(const std::vector<EdgePlace>& list, int edge);

// Of the messages over an edge in one direction. All directions and edges have tags of
// their own.
Tags tags_of(const Plan& plan, const PipelineProgram& program, int edge, bool forward);
// What comes over the edge in one direction, of a device's share of a micro-batch.
std::vector<Expected> expected(const GraphComputation& network, const PipelineProgram& program,
                               const Stage& receiver, int edge, bool forward);
// How many micro-batches of the receiver, one device's shares, may be on the way or in use (as
// stage_memory() counts them).
int slots(const Plan& plan, const Stage& sender, const Stage& receiver, bool forward);

}  // namespace lamina::pipeline
