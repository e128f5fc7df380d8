// Pipelines compute what the plain order computes, bit for bit, whatever the plan, the schedule and
// the times of messages.
#include "pipeline/run/rank_run.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>

#include "base/check.h"
#include "pipeline/comm/threads.h"
#include "pipeline/run/rank_memory.h"
#include "pipeline/run/trial_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;
using test::make_trial;
using test::Ran;
using test::run_reference;
using test::same_bits;
using test::Trial;

namespace {

// Every rank's results are compared with `want` as soon as it has them.
void run_threads(const Trial& trial, const Ran& want, double delay_ms, std::uint64_t seed) {
  const PipelineJob job = trial.job();
  std::mutex mutex;
  const int ranks = static_cast<int>(trial.cluster.devices.size());
  run_thread_ranks(ranks, {.delay_ms = delay_ms, .seed = seed}, [&](Transport& transport) {
    RankRun run(job, trial.parameters, transport);
    for (std::size_t step = 0; step < want.losses.size(); ++step) {
      const StepResult result = run.step(
          [&](const Samples& s) {
            return test::random_inputs(static_cast<int>(step), s.begin, s.end);
          },
          0.05);
      const std::scoped_lock lock(mutex);
      CHECK(result.loss == want.losses[step]);
      CHECK(result.gradient_norm == want.norms[step]);
    }
    const std::scoped_lock lock(mutex);
    // The reference device has neither arena nor packs.
    const MemoryBound bound =
        rank_memory(trial.computation, trial.plan, trial.program, transport.rank());
    CHECK(static_cast<double>(run.ledger().peak() - run.update().state_bytes()) <=
          bound.total() - bound.arena - bound.made_of_weights);
    for (const auto& [name, gradient] : run.gradients()) {
      CAPTURE(name);
      CHECK(same_bits(gradient, want.gradients.at(name)));
    }
    for (const auto& [name, parameter] : run.parameters()) {
      CAPTURE(name);
      CHECK(same_bits(parameter, want.parameters.at(name)));
    }
  });
}

}  // namespace

TEST_CASE("pipelines of random networks equal the reference bit for bit") {
  Rng rng(20260);
  int ran = 0, stages = 0, unequal = 0, tied = 0, sharded = 0, frozen = 0, recompute = 0;
  int chains = 0;
  for (int trial = 0; trial < 160; ++trial) {
    CAPTURE(trial);
    test::RandomPlanOptions options;
    options.ranks = 1 << (trial % 3);
    options.schedule = static_cast<ScheduleKind>((trial / 3) % 4);
    const std::optional<Trial> made = make_trial(options, rng);
    if (!made) continue;
    const Ran want = run_reference(*made, 2);
    CHECK(std::isfinite(want.losses[1]));
    run_threads(*made, want, 0.2, static_cast<std::uint64_t>(trial));
    ++ran;
    stages += static_cast<int>(made->plan.stages.size());
    for (const Stage& stage : made->plan.stages) {
      unequal += stage.micro_batch != made->plan.stages[0].micro_batch ? 1 : 0;
      recompute += stage.recompute ? 1 : 0;
    }
    for (const TrainedWeight& weight : trained_weights(made->plan, made->program)) {
      tied += weight.stages.size() > 1 && weight.ranks.size() > 1 ? 1 : 0;
      sharded += weight.shard ? 1 : 0;
    }
    frozen += made->network.frozen.empty() ? 0 : 1;
    chains += made->plan.chain && made->plan.stages.size() > 2 ? 1 : 0;
  }
  CHECK(ran > 100);
  CHECK(stages > 3 * ran);
  CHECK(unequal > ran);
  CHECK(recompute > 50);
  CHECK(tied > 50);
  CHECK(sharded > 20);
  CHECK(frozen > 20);
  CHECK(chains > 20);
}

TEST_CASE("with bf16 parameters too") {
  Rng rng(16);
  int ran = 0, sharded = 0;
  for (int trial = 0; trial < 60; ++trial) {
    CAPTURE(trial);
    const std::optional<Trial> made =
        make_trial({.ranks = 1 << (trial % 3),
                    .schedule = static_cast<ScheduleKind>((trial / 3) % 4),
                    .bf16 = true},
                   rng);
    if (!made) continue;
    const Ran want = run_reference(*made, 2);
    for (const auto& [name, gradient] : want.gradients) CHECK(gradient.dtype() == DType::kF32);
    for (const auto& [name, parameter] : want.parameters) CHECK(parameter.dtype() == DType::kBF16);
    run_threads(*made, want, 0.0, 1);
    ++ran;
    for (const TrainedWeight& weight : trained_weights(made->plan, made->program)) {
      sharded += weight.shard ? 1 : 0;
    }
  }
  CHECK(ran > 35);
  CHECK(sharded > 5);
}

TEST_CASE("gradients of pipelines are those of the whole network") {
  Rng rng(4);
  int compared = 0;
  for (int trial = 0; trial < 24; ++trial) {
    CAPTURE(trial);
    const std::optional<Trial> made =
        make_trial({.ranks = 2, .schedule = static_cast<ScheduleKind>(trial % 4)}, rng);
    if (!made) continue;
    const Ran ran = run_reference(*made, 1);
    Graph graph = bind_sizes(made->network.graph, {{"N", made->plan.batch}});
    std::vector<Value> wanted;
    std::vector<Tensor> inputs;
    NamedTensors data = test::random_inputs(0, 0, made->plan.batch);
    for (Input& input : graph.inputs) {
      const std::string& name = graph.node({input.node, 0}).name;
      if (ran.gradients.contains(name)) wanted.push_back({input.node, 0});
      inputs.push_back(input.role == Role::kWeight ? made->parameters.at(name) : data.at(name));
      input.role = Role::kInput;
    }
    const Graph whole = gradient(graph, wanted);
    const std::vector<Tensor> outputs = compile(whole, find_device("ref"))->run(inputs);
    CHECK(ran.losses[0] == doctest::Approx(outputs[0].to_doubles()[0]).epsilon(1e-5));
    for (std::size_t w = 0; w < wanted.size(); ++w) {
      const std::vector<double> want = outputs[w + 1].to_doubles();
      const std::vector<double> got = ran.gradients.at(graph.node(wanted[w]).name).to_doubles();
      for (std::size_t i = 0; i < want.size(); ++i) {
        CHECK(std::fabs(got[i] - want[i]) <= 1e-6 + 1e-4 * std::fabs(want[i]));
      }
      ++compared;
    }
  }
  CHECK(compared > 20);
}

TEST_CASE("loss curves over 50 steps are equal") {
  Rng rng(11);
  int ran = 0;
  for (int trial = 0; ran < 8 && trial < 40; ++trial) {
    CAPTURE(trial);
    const std::optional<Trial> made =
        make_trial({.ranks = 1 << (ran % 3), .schedule = static_cast<ScheduleKind>(ran % 4)}, rng);
    if (!made) continue;
    const Ran want = run_reference(*made, 50);
    CHECK(want.losses[49] != want.losses[0]);
    run_threads(*made, want, 0.0, 1);
    ++ran;
  }
  CHECK(ran == 8);
}

TEST_CASE("stages of a chain wait for the one before, also where no tensor comes from it") {
  // Two towers on two ranks.
  train::Network network;
  network.name = "towers";
  network.graph = parse_graph(R"(lamina 1
graph towers[N: 1..64](x: f32[N, 4], target: f32[N, 4], weight a: f32[4, 4], weight b: f32[4, 4]) {
  left = matmul(x, a)
  right = matmul(target, b)
  product = mul(left, right)
  loss = mean(product)
  return loss
}
)");
  const GraphComputation computation = test::node_operators(network);
  const Cluster cluster = uniform_cluster(2, 1e9, {1e9, 1e-6}, 2);
  for (const bool chain : {true, false}) {
    CAPTURE(chain);
    Plan plan{"towers",
              "test",
              8,
              ScheduleKind::kOneF1B,
              {{{0}, {0}, 2}, {{1}, {1}, 2}, {{2, 3}, {0}, 2}},
              chain};
    set_in_flight(computation.computation, plan);
    const Schedule schedule = make_schedule(computation.computation, cluster, plan);
    const PipelineProgram program = cut_stages(computation, plan, {});
    const PipelineJob job{computation, plan, schedule, program, "ref", {.threads = 1}, {}};
    // Rank 0 does nothing: does rank 1 begin?
    bool began = false;
    CHECK_THROWS_AS(run_thread_ranks(2, {},
                                     [&](Transport& transport) {
                                       require(transport.rank() == 1, "rank 0 stays away");
                                       RankRun run(job, train::initial_parameters(network, 1),
                                                   transport);
                                       run.step(
                                           [&](const Samples& s) {
                                             began = true;
                                             return test::random_inputs(0, s.begin, s.end);
                                           },
                                           0.1);
                                     }),
                    Error);
    CHECK(began == !chain);
  }
}

TEST_CASE("when a rank fails, all end and its error is told") {
  Rng rng(3);
  std::optional<Trial> made;
  while (!made || made->plan.stages.size() < 3) made = make_trial({.ranks = 2}, rng);
  const PipelineJob job = made->job();
  CHECK_THROWS_WITH_AS(run_thread_ranks(2, {},
                                        [&](Transport& transport) {
                                          RankRun run(job, made->parameters, transport);
                                          for (int step = 0; step < 4; ++step) {
                                            run.step(
                                                [&](const Samples& s) {
                                                  if (transport.rank() == 0 && step == 2) {
                                                    throw Error(ErrorCode::kIo, "the disk is gone");
                                                  }
                                                  return test::random_inputs(step, s.begin, s.end);
                                                },
                                                0.1);
                                          }
                                        }),
                       "the disk is gone", Error);
}

TEST_CASE("networks that cannot be cut are refused") {
  Rng rng(5);
  const train::Network network = test::RandomNetwork(rng).make(4);
  const GraphComputation computation = test::node_operators(network);
  const auto operators = static_cast<int>(computation.computation.operators.size());
  Plan plan{"random", "test", 8, ScheduleKind::kGPipe, {}};
  plan.stages.resize(2);
  // The loss and what is added to it, apart: a scalar goes from one to the other.
  GraphComputation two = computation;
  const Value loss = two.graph.outputs[0].value;
  two.graph.outputs[0].value = two.graph.add("exp", {loss});
  two.operators.push_back(operators);
  two.computation.operators.push_back({"exp", 1.0, 1.0, 1.0});
  two.computation.edges.push_back({operators - 1, operators, 4.0});
  for (int op = 0; op < operators; ++op) plan.stages[0].operators.push_back(op);
  plan.stages[1].operators = {operators};
  plan.stages[0].devices = {0};
  plan.stages[1].devices = {1};
  plan.stages[0].micro_batch = plan.stages[1].micro_batch = 4;
  CHECK_NOTHROW(cut_stages(two, plan, {}));
  plan.stages[1].micro_batch = 8;
  CHECK_THROWS_WITH_AS(cut_stages(two, plan, {}),
                       doctest::Contains("has no single axis of samples: f32[]"), Error);
}
