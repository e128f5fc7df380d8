// Which nodes of a network the programs of stages need, and which tensors go over edges between
// stages.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "pipeline/run/stage_program.h"

namespace lamina::pipeline {

// What the network says about its nodes.
struct NodeAnalysis {
  std::vector<bool> live;     // the loss needs it
  std::vector<bool> trained;  // depends on a weight that is trained, through floats
  std::vector<bool> useful;   // the loss depends on it through floats
  std::vector<int> stage;     // -1: every one; inputs, and what depends on none
};
NodeAnalysis analyse_nodes(const GraphComputation& network, const Plan& plan,
                           std::span<const std::string> frozen);

// By edge of `graph`, sorted by value. Throws kUnsupported as cut_stages() does.
std::vector<std::vector<EdgeTensor>> tensors_of_edges(const GraphComputation& network,
                                                      const Plan& plan,
                                                      const NodeAnalysis& analysis,
                                                      const StageGraph& graph);

}  // namespace lamina::pipeline
