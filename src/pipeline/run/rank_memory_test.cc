// What planners count, by the costs of operators, is never less than what the programs of the
// stages may hold, on the networks that Lamina has.
#include "pipeline/run/rank_memory.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "lamina/nn.h"
#include "nn/train/step_program.h"
#include "pipeline/run/update.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

double one_second_each(const Graph&) { return 1.0; }

// Of AdamW, as planners count it.
double state_bytes(const GraphComputation& network, const Plan& plan,
                   const PipelineProgram& program, int rank) {
  double bytes = 0.0;
  for (const TrainedWeight& weight : trained_weights(plan, program)) {
    const auto ranks = static_cast<double>(weight.ranks.size());
    if (std::count(weight.ranks.begin(), weight.ranks.end(), rank) == 0) continue;
    const Type& type = network.graph.type(network.graph.find(weight.name));
    const double each = type.dtype == DType::kBF16 ? 12.0 : 8.0;  // masters
    bytes += static_cast<double>(element_count(*constant_shape(type.shape))) * each /
             (weight.shard ? ranks : 1.0);
  }
  return bytes;
}

void check_plan(const GraphComputation& network, const Cluster& cluster, const Plan& plan) {
  const PipelineProgram program = cut_stages(network, plan, {});
  const std::vector<double> planned = device_memory(network.computation, cluster, plan);
  for (int rank = 0; rank < static_cast<int>(planned.size()); ++rank) {
    const MemoryBound bound = rank_memory(network, plan, program, rank);
    CAPTURE(rank);
    const double want = bound.total() + state_bytes(network, plan, program, rank);
    const double got = planned[static_cast<std::size_t>(rank)];
    CHECK(got >= want);
    CHECK(got <= 4.0 * want);
  }
}

}  // namespace

TEST_CASE("planners count with at least what programs may hold") {
  for (const std::string name : {"mmt", "dlrm", "candle-uno", "decoder", "resnet", "mmt in bf16"}) {
    CAPTURE(name);
    const bool bf16 = name.ends_with("bf16");
    const train::Network whole = lamina::network(bf16 ? "mmt" : name, {.small = true});
    const GraphComputation network =
        graph_computation(bf16 ? train::in_bf16(whole) : whole, one_second_each);
    const Cluster cluster = uniform_cluster(3, 1e12, {1e9, 1e-5}, 3);
    for (const ScheduleKind schedule : {ScheduleKind::kGPipe, ScheduleKind::kOneF1B,
                                        ScheduleKind::kSplit, ScheduleKind::kZeroBubble}) {
      for (const bool recompute : {false, true}) {
        for (const PlannerKind planner : {PlannerKind::kChain, PlannerKind::kGraphPipe}) {
          const Planned planned = make_plan(network.computation, cluster, planner,
                                            {.batch = 24, .schedule = schedule, .micro_batch = 4});
          REQUIRE(planned.plan);
          Plan plan = *planned.plan;
          for (Stage& stage : plan.stages) stage.recompute = recompute;
          CAPTURE(static_cast<int>(schedule));
          CAPTURE(recompute);
          CAPTURE(pipeline::name(planner));
          check_plan(network, cluster, plan);
        }
      }
    }
  }
}
