// What a program does for one size binding: launches of kernels in order, with their pointers,
// sizes and copies, all numbers evaluated.
#pragma once

#include <string>
#include <vector>

#include "exec/cpu/compile_cache.h"
#include "exec/cpu/kernel.h"
#include "exec/lower/lower.h"

namespace lamina::cpu {

// As programs of this device are lowered; the elements of weights stay with `graph`.
lower::Lowered lower_graph(const Graph& graph);

// The code of a step of the lowered graph.
struct StepCode {
  struct Use {
    Kernel kernel;
    KernelFunction function = nullptr;
    int first_pack = 0;  // where kernel.packs begin among the packed weights of the program
  };
  std::vector<Use> kernels;  // none: the host runs the node
};

struct EmittedSteps {
  std::vector<StepCode> steps;            // as lowered.steps
  std::vector<std::string> fallback_ops;  // of nodes that no emitter takes
};
// Emits the kernels of all steps. Nodes that no emitter takes, nodes with bodies (if, loop) and
// constants are left to the host.
EmittedSteps emit_steps(const lower::Lowered& lowered, const Target& target);

// A packed weight, or a place in a storage.
struct Address {
  int pack = -1;
  int storage = -1;
  std::int64_t bytes = 0;
};

struct ByteCopy {
  Address from;
  Address to;
  std::int64_t bytes = 0;
};

struct Launch {
  KernelFunction function = nullptr;  // null: the host runs the step
  int step = 0;
  std::size_t first_pointer = 0;
  std::size_t first_size = 0;
  std::int64_t tasks = 0;
};

struct LaunchPlan {
  Sizes sizes;
  std::vector<Shape> input_shapes;  // of the run's inputs
  std::vector<Shape> output_shapes;
  lower::ArenaPlan arena;
  std::vector<Launch> launches;
  std::vector<Address> addresses;  // what the kernels' pointers point to
  std::vector<long> size_values;
  std::vector<ByteCopy> output_copies;
  std::vector<ByteCopy> state_copies;
  std::int64_t scratch_bytes = 0;  // per thread
};

// The plan of the steps at load (no sizes are needed) or of a run.
LaunchPlan plan_launches(const lower::Lowered& lowered, const std::vector<StepCode>& code,
                         const Sizes& sizes, bool at_load);

// The address of a value.
Address address_of(const lower::Lowered& lowered, const lower::Place& place, const Sizes& sizes);

}  // namespace lamina::cpu
