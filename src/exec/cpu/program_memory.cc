// Memory by lowering a graph, and by asking its kernels for their packs.
#include "exec/cpu/program_memory.h"

#include "exec/cpu/launch_plan.h"
#include "exec/cpu/packing.h"
#include "exec/cpu/target.h"

namespace lamina::cpu {

ProgramMemory program_memory(const Graph& graph) {
  const lower::Lowered lowered = lower_graph(graph);
  ProgramMemory memory{lower::plan_storages(lowered, {}).bytes, 0};
  for (const lower::Storage& storage : lowered.storages) {
    if (storage.kind != lower::Storage::Kind::kLoaded) continue;
    memory.made_of_weights += storage.elements.evaluate({}) * traits(storage.dtype).block_bytes;
  }
  for (const StepCode& step : emit_steps(lowered, detect_target()).steps) {
    for (const StepCode::Use& use : step.kernels) {
      for (const PackRequest& request : use.kernel.packs) {
        memory.made_of_weights += static_cast<std::int64_t>(packed_bytes(request));
      }
    }
  }
  return memory;
}

}  // namespace lamina::cpu
