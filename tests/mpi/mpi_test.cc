// One rank of pipelines of random networks over MPI: every result equals the reference's bit for
// bit. Started by mpirun; exit status 1 where something differs. With the argument "nccl", through
// the NCCL transport, with shared memory in place of NCCL. With "sharing N", whether N ranks share
// the processors, and a place on this machine is a rank.
#include <fmt/core.h>

#include <string>
#include <string_view>

#include "lamina/pipeline_run.h"
#include "pipeline/comm/nccl_transport.h"
#include "pipeline/run/rank_run.h"
#include "pipeline/run/trial_for_test.h"
#include "shared_memory_nccl.h"

namespace {

using namespace lamina;
using namespace lamina::pipeline;

int differences(const test::Trial& trial, Transport& transport) {
  const test::Ran want = test::run_reference(trial, 3);
  const PipelineJob job = trial.job();
  RankRun run(job, trial.parameters, transport);
  int found = 0;
  for (std::size_t step = 0; step < want.losses.size(); ++step) {
    const StepResult result = run.step(
        [&](const Samples& s) {
          return test::random_inputs(static_cast<int>(step), s.begin, s.end);
        },
        0.05);
    found += result.loss == want.losses[step] ? 0 : 1;
    found += result.gradient_norm == want.norms[step] ? 0 : 1;
  }
  for (const auto& [name, gradient] : run.gradients()) {
    found += test::same_bits(gradient, want.gradients.at(name)) ? 0 : 1;
  }
  for (const auto& [name, parameter] : run.parameters()) {
    found += test::same_bits(parameter, want.parameters.at(name)) ? 0 : 1;
  }
  return found;
}

}  // namespace

int main(int count, char** arguments) {
  int found = 0, ran = 0;
  const auto compare = [&](Transport& transport) {
    Rng rng(515);
    for (int i = 0; i < 60; ++i) {
      test::RandomPlanOptions options;
      options.ranks = transport.ranks();
      options.schedule = static_cast<ScheduleKind>(i % 4);
      options.bf16 = i % 3 == 0;
      const std::optional<test::Trial> trial = test::make_trial(options, rng);
      if (!trial) continue;
      found += differences(*trial, transport);
      ++ran;
    }
    fmt::print("rank {}: {} pipelines, {} differences\n", transport.rank(), ran, found);
  };
  if (count == 3 && std::string_view(arguments[1]) == "sharing") {
    int sharing = 0;
    bool in_place = false;
    run_mpi_rank([&](Transport& transport) {
      sharing = transport.sharing();
      in_place = transport.place_on_machine() == transport.rank();
    });
    fmt::print("{} ranks share the processors\n", sharing);
    return sharing == std::stoi(arguments[2]) && in_place ? 0 : 1;
  }
  run_mpi_rank([&](Transport& transport) {
    if (count == 1) return compare(transport);
    SharedMemoryNccl calls(transport.rank());
    run_on_nccl(transport, calls, compare);
  });
  return found == 0 && ran > 30 ? 0 : 1;
}
