// Steps that the host runs: control flow over compiled bodies, and nodes left to the interpreter.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "lamina/graph.h"

namespace lamina::cpu {

class CpuProgram;

// True for if and loop, whose inner graphs are programs of their own.
bool has_bodies(const Node& node);

struct HostStep {
  std::span<const Tensor> inputs;
  std::span<Tensor> outputs;  // in place: fill them
  const std::vector<std::unique_ptr<CpuProgram>>& bodies;
  const Sizes& sizes;
};
void run_host_step(const Node& node, const HostStep& step);

}  // namespace lamina::cpu
