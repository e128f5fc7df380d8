// Stages on devices other than the cpu: what needs no GPU.
#include <doctest/doctest.h>

#include "exec/cuda/emulated_gpu_test.h"
#include "lamina/bench.h"
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

TEST_SUITE("slow") {
  TEST_CASE("passes on an emulated GPU, with sums of gradients over micro-batches") {
    Rng rng(12);
    std::optional<test::Trial> trial;
    while (!trial || trial->program.stages.size() != 2) {
      trial = test::make_trial({.ranks = 1, .schedule = ScheduleKind::kSplit}, rng);
    }
    int sums = 0;
    for (const StageProgram& stage : trial->program.stages) {
      for (const PassProgram* pass :
           {&stage.forward, &stage.input_gradient, &stage.weight_gradient}) {
        if (pass->is_empty()) continue;
        const Graph graph = fill_weights(as_compiled(pass->graph), 3);
        cuda::CudaProgram program(graph, std::make_shared<cuda::EmulatedGpu>(cuda::test_machine()));
        const auto reference = compile(graph, find_device("ref"));
        for (int iteration = 0; iteration < 2; ++iteration) {
          for (int m = 0; m < 2; ++m) {
            const std::vector<Tensor> inputs = random_inputs(graph, {}, 10 * iteration + m);
            const std::vector<Tensor> got = program.run(inputs), want = reference->run(inputs);
            for (std::size_t k = 0; k < want.size(); ++k) {
              CHECK(cpu::relative_error(got[k], want[k]) <= 1e-4);
            }
          }
          for (std::size_t k = 0; k < pass->sums.size(); ++k, ++sums) {
            const std::string name = sum_name(k);
            CHECK(cpu::relative_error(program.state(name), reference->state(name)) <= 1e-4);
          }
          program.reset_state();
          reference->reset_state();
        }
      }
    }
    CHECK(sums > 2);
  }
}
