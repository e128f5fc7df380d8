// Stages on devices other than the cpu: what needs no GPU.
#include <doctest/doctest.h>

#include "exec/cuda/cuda_program.h"
#include "lamina/nn.h"
#include "lamina/pipeline.h"
#include "pipeline/run/stage_device.h"
#include "pipeline/run/trial_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

// Two stages, as the plain planner makes them.
PipelineProgram two_stages(const train::Network& network, GraphComputation& computation) {
  computation = graph_computation(network, [](const Graph&) { return 1e-3; });
  const Cluster cluster = uniform_cluster(2, 16e9, {1e9, 1e-6}, 2);
  PlanOptions options;
  options.batch = 4;
  options.micro_batch = 2;
  options.schedule = ScheduleKind::kSplit;
  const Planned planned =
      make_plan(computation.computation, cluster, parse_planner_kind("chain"), options);
  REQUIRE(planned.plan.has_value());
  return cut_stages(computation, *planned.plan, network.frozen);
}

}  // namespace

TEST_CASE("every pass of the named networks has kernels for GPUs") {
  const cuda::GpuMachine machine = cuda::load_gpu_machine("share/machines/h100.json");
  for (const std::string_view name : network_names()) {
    CAPTURE(std::string(name));
    GraphComputation computation;
    const PipelineProgram program = two_stages(network(name, {.small = true}), computation);
    int passes = 0;
    for (const StageProgram& stage : program.stages) {
      for (const PassProgram* pass :
           {&stage.forward, &stage.input_gradient, &stage.weight_gradient}) {
        if (pass->is_empty()) continue;
        CHECK_NOTHROW(cuda::emit_graph(as_compiled(pass->graph), machine));
        ++passes;
      }
    }
    CHECK(passes > 3);
  }
}
