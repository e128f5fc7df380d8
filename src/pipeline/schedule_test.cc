// Schedules and the simulator: closed forms of pipelines of equal stages, and what is refused.
#include "lamina/schedule.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/rng.h"
#include "lamina/error.h"
#include "pipeline/random_plan_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

using Kind = Action::Kind;

double iteration(const Computation& net, const Plan& plan) {
  const Cluster cluster = test::enough_devices(net);
  return simulate(net, cluster, plan, make_schedule(net, cluster, plan)).iteration_s;
}

// `towers` chains of `length` operators that meet in one more.
Computation towers(int towers, int length) {
  Rng rng(1);
  Computation net = test::random_network(towers * length + 1, {}, rng);
  net.edges.clear();
  for (int t = 0; t < towers; ++t) {
    for (int i = 0; i < length; ++i) {
      const int op = t * length + i;
      net.edges.push_back({op, i + 1 < length ? op + 1 : towers * length, 0.0});
    }
  }
  return net;
}

// A plan of random stages: several devices each, micro-batches of different sizes.
Plan random_plan(const Computation& net, int batch, Rng& rng, Cluster& cluster) {
  Plan plan = test::stage_per_operator(net, batch, ScheduleKind::kOneF1B);
  int device = 0;
  for (Stage& stage : plan.stages) {
    const int devices = 1 << rng.integer(0, 2);
    stage.devices.clear();
    for (int d = 0; d < devices; ++d) stage.devices.push_back(device++);
    stage.micro_batch = devices << rng.integer(0, 1);
  }
  cluster = uniform_cluster(device, 1e9, {1e3, 0.01}, 3);
  if (rng.chance(0.5)) plan.schedule = ScheduleKind::kSplit;
  set_in_flight(net, plan);
  for (Stage& stage : plan.stages) {
    const int more = stage.in_flight + static_cast<int>(rng.integer(0, 2));
    stage.in_flight = std::min(more, plan.batch / stage.micro_batch);
  }
  return plan;
}

}  // namespace

TEST_CASE("closed forms: iterations of equal stages in 300 random graphs") {
  Rng rng(20241);
  const test::Costs ratios[] = {{1, 1, 1}, {1, 2, 1}, {2, 1, 3}, {3, 2, 1}};
  for (int trial = 0; trial < 300; ++trial) {
    CAPTURE(trial);
    const test::Costs& c = ratios[trial % 4];
    const auto stages = static_cast<int>(rng.integer(3, 8));
    const Computation net = test::random_network(stages, c, rng);
    constexpr int kBatch = 16;
    Plan plan = test::stage_per_operator(net, kBatch, ScheduleKind::kOneF1B);
    const double one = c.forward + c.input_gradient + c.weight_gradient;
    const int longest = depth(net, plan);
    CHECK(iteration(net, plan) == (kBatch + longest - 1) * one);
    plan.schedule = ScheduleKind::kSplit;
    CHECK(iteration(net, plan) == kBatch * one + (longest - 1) * (c.forward + c.input_gradient));
    plan.schedule = ScheduleKind::kGPipe;
    set_in_flight(net, plan);
    CHECK(iteration(net, plan) == (kBatch + longest - 1) * one);
  }
}

TEST_CASE("what towers gain over a chain") {
  // 2 towers of 4 stages, the join in the last stage of one: depth 5 with the join apart.
  const Computation net = towers(2, 4);
  const Plan plan = test::stage_per_operator(net, 8, ScheduleKind::kOneF1B);
  CHECK(depth(net, plan) == 5);
  CHECK(iteration(net, plan) == 36.0);
  Plan split = plan;
  split.schedule = ScheduleKind::kSplit;
  CHECK(iteration(net, split) == 32.0);
  const Computation chain = towers(1, 7);
  CHECK(iteration(chain, test::stage_per_operator(chain, 8, ScheduleKind::kOneF1B)) == 45.0);
  const Computation wide = towers(4, 4);
  CHECK(iteration(wide, test::stage_per_operator(wide, 32, ScheduleKind::kOneF1B)) == 108.0);
}

TEST_CASE("unequal micro-batches and shared stages: schedules pass the check, memory stays below") {
  Rng rng(77);
  int run = 0;
  for (int trial = 0; trial < 120; ++trial) {
    CAPTURE(trial);
    Computation net = test::random_network(static_cast<int>(rng.integer(2, 6)), {1, 1, 1}, rng);
    for (Operator& op : net.operators) {
      op.forward_s = rng.uniform(0.5, 1.5);
      op.saved_bytes = rng.uniform(0.0, 50.0);
      op.parameter_bytes = 64.0;
      op.workspace_bytes = 5.0;
    }
    for (Edge& edge : net.edges) edge.bytes = rng.uniform(1.0, 30.0);
    Cluster cluster;
    const Plan plan = random_plan(net, 32, rng, cluster);
    const Schedule schedule = make_schedule(net, cluster, plan);
    check_schedule(net, plan, schedule);
    CHECK(parse_schedule(print_schedule(schedule), "again") == schedule);
    const Simulated simulated = simulate(net, cluster, plan, schedule);
    const std::vector<double> bound = stage_memory(net, cluster, plan);
    for (std::size_t s = 0; s < plan.stages.size(); ++s) {
      CHECK(simulated.peak_in_flight[s] <= plan.stages[s].in_flight);
      for (const int device : plan.stages[s].devices) {
        CHECK(simulated.peak_bytes[static_cast<std::size_t>(device)] <= bound[s] + 1e-6);
        CHECK(simulated.memory[static_cast<std::size_t>(device)].back().bytes ==
              doctest::Approx(stage_costs(net, cluster, plan)[s].parameter_bytes));
      }
    }
    CHECK(simulate(net, cluster, plan, schedule, {.links = false}).iteration_s <=
          simulated.iteration_s + 1e-9);
    ++run;
  }
  CHECK(run == 120);
}

TEST_CASE("messages take their time and wait for each other") {
  Computation net = towers(2, 1);
  for (Edge& edge : net.edges) edge.bytes = 10.0;
  const Plan plan = test::stage_per_operator(net, 1, ScheduleKind::kOneF1B);
  Cluster cluster = uniform_cluster(3, 1e9, {10.0, 0.5}, 3);
  const Schedule schedule = make_schedule(net, cluster, plan);
  // Both tensors go into device 2, one after the other: 1 + 2 * 1 + 0.5; then three passes; the
  // gradients leave it one after the other: 2 * 1 + 0.5; then two passes.
  CHECK(simulate(net, cluster, plan, schedule).iteration_s == 1.0 + 2.5 + 3.0 + 2.5 + 2.0);
  CHECK(simulate(net, cluster, plan, schedule, {.links = false}).iteration_s == 6.0);
}

TEST_CASE("schedules that are wrong are refused") {
  Rng rng(5);
  const Computation net = towers(2, 2);
  const Cluster cluster = test::enough_devices(net);
  const Plan plan = test::stage_per_operator(net, 4, ScheduleKind::kSplit);
  const Schedule good = make_schedule(net, cluster, plan);
  check_schedule(net, plan, good);
  // Whatever single action is missing, doubled or moved to the end of the list.
  int refused = 0, tried = 0;
  for (std::size_t r = 0; r < good.ranks.size(); ++r) {
    for (std::size_t i = 0; i < good.ranks[r].size(); ++i) {
      for (const int how : {0, 1, 2}) {
        Schedule bad = good;
        std::vector<Action>& list = bad.ranks[r];
        const Action action = list[i];
        if (how == 1) list.insert(list.begin() + static_cast<std::ptrdiff_t>(i), action);
        if (how != 1) list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
        if (how == 2) list.push_back(action);
        if (bad == good) continue;
        ++tried;
        try {
          check_schedule(net, plan, bad);
        } catch (const Error& error) {
          refused += error.code() == ErrorCode::kInvalidArgument ? 1 : 0;
        }
      }
    }
  }
  CHECK(tried > 200);
  CHECK(refused == tried);
}

TEST_CASE("lists that wait for each other are a deadlock") {
  // Stage 0 waits for the gradient of its first micro-batch before it sends the tensor of it.
  const Computation net = towers(1, 1);
  Plan plan = test::stage_per_operator(net, 2, ScheduleKind::kOneF1B);
  const Cluster cluster = test::enough_devices(net);
  Schedule schedule = make_schedule(net, cluster, plan);
  std::vector<Action>& list = schedule.ranks[0];
  const auto send = std::find_if(list.begin(), list.end(), [](const Action& action) {
    return action.kind == Kind::kSendForward && action.micro_batch == 1;
  });
  const auto receive = std::find_if(list.begin(), list.end(), [](const Action& action) {
    return action.kind == Kind::kReceiveBackward && action.micro_batch == 1;
  });
  std::rotate(send, send + 1, receive + 1);
  CHECK_THROWS_WITH_AS(check_schedule(net, plan, schedule),
                       doctest::Contains("deadlock: these wait for each other: rank 0 at RB0.1:0, "
                                         "rank 1 at RF1.1:0"),
                       Error);
  CHECK_THROWS_AS(simulate(net, cluster, plan, schedule), Error);
}

TEST_CASE("too few micro-batches in flight for the stage behind") {
  const Computation net = towers(1, 1);
  Plan plan = test::stage_per_operator(net, 8, ScheduleKind::kOneF1B);
  plan.stages[1].micro_batch = 4;
  plan.stages[0].in_flight = 3;
  plan.stages[1].in_flight = 1;
  CHECK_THROWS_WITH_AS(
      make_schedule(net, test::enough_devices(net), plan),
      doctest::Contains("stage 0 cannot go on with 3 micro-batches of 1 in flight"), Error);
}

TEST_CASE("schedules as text") {
  const Computation net = towers(1, 1);
  const Plan plan = test::stage_per_operator(net, 1, ScheduleKind::kOneF1B);
  const Schedule schedule = make_schedule(net, test::enough_devices(net), plan);
  CHECK(print_schedule(schedule) ==
        "0: F0.0 SF0.0:0 RB0.0:0 B0.0 U0\n1: RF1.0:0 F1.0 B1.0 SB1.0:0 U1\n");
  const auto refuse = [](const char* text, const char* words) {
    CHECK_THROWS_WITH_AS(parse_schedule(text, "s"), doctest::Contains(words), Error);
  };
  refuse("0: F0.0", "s:1: the last line does not end");
  refuse("1: F0.0\n", "s:1:2: expected '0:'");
  refuse("0: X0.0\n", "s:1:4: expected an action, got 'X0.0'");
  refuse("0: F0\n", "s:1:6: expected '.'");
  refuse("0: SF0.1\n", "expected ':'");
}

TEST_CASE("traces and pictures name what happens") {
  const Computation net = towers(2, 2);
  const Cluster cluster = test::enough_devices(net);
  const Plan plan = test::stage_per_operator(net, 4, ScheduleKind::kSplit);
  const Simulated simulated = simulate(net, cluster, plan, make_schedule(net, cluster, plan));
  const std::string trace = chrome_trace(plan, simulated);
  CHECK(trace.find("\"forward F0.0\"") != std::string::npos);
  CHECK(trace.find("\"weight gradient W4.3\"") != std::string::npos);
  const std::string svg = schedule_svg(plan, simulated);
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.find("rank 4, stage 4") != std::string::npos);
  CHECK(svg.ends_with("</svg>\n"));
}

namespace {

// A chain of `devices` times `chunks` equal stages, in turns on the devices.
Plan interleaved(const Computation& chain, int devices, int batch) {
  Plan plan = test::stage_per_operator(chain, batch, ScheduleKind::kOneF1B);
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    plan.stages[s].devices = {static_cast<int>(s) % devices};
  }
  set_in_flight(chain, plan);
  return plan;
}

}  // namespace

TEST_CASE("stages that share a device take turns: interleaved pipelines") {
  // The bubble is (p - 1) / (v M) of the work (arXiv:2104.04473, section 2.2), for multiples of p.
  for (const int devices : {2, 4}) {
    for (const int chunks : {2, 3}) {
      for (const int rounds : {1, 2, 5}) {
        CAPTURE(devices);
        CAPTURE(chunks);
        const Computation chain = towers(1, devices * chunks - 1);
        const int batch = devices * rounds;
        const Plan plan = interleaved(chain, devices, batch);
        CHECK(iteration(chain, plan) == 3.0 * (batch * chunks + devices - 1));
      }
    }
  }
}

TEST_CASE("a branch and the join behind it share a device: the join's tensors come late") {
  // Two towers of four; the join takes a hundredth of a stage. As stages of their own the join and
  // the last of a tower cost one step of depth, not two (section 7.5 of the paper prints 4).
  Computation net = towers(2, 4);
  for (double* cost : {&net.operators[8].forward_s, &net.operators[8].input_gradient_s,
                       &net.operators[8].weight_gradient_s}) {
    *cost = 0.01;
  }
  Plan apart = test::stage_per_operator(net, 8, ScheduleKind::kOneF1B);
  apart.stages[8].devices = apart.stages[7].devices;
  Plan together = apart;
  together.stages.pop_back();
  together.stages[7].operators = {7, 8};
  set_in_flight(net, together);
  CHECK(iteration(net, together) == doctest::Approx(3.0 * (8 + 4) + 3 * 0.01 * 8));
  CHECK(iteration(net, apart) == doctest::Approx(3.0 * (8 + 3) + 3 * 0.01 * 8));
  check_schedule(net, apart, make_schedule(net, test::enough_devices(net), apart));
}

TEST_CASE("zero bubble: nearly twice as many in flight, and no device idles between its passes") {
  const Computation chain = towers(1, 3);
  const Plan plan = test::stage_per_operator(chain, 12, ScheduleKind::kZeroBubble);
  CHECK(plan.stages[0].in_flight == 7);
  CHECK(plan.stages[3].in_flight == 7);
  const Cluster cluster = test::enough_devices(chain);
  const Simulated simulated = simulate(chain, cluster, plan, make_schedule(chain, cluster, plan));
  for (const std::vector<TimedAction>& rank : simulated.ranks) {
    double first = simulated.iteration_s, last = 0.0;
    for (const TimedAction& timed : rank) {
      if (timed.action.kind > Kind::kWeightGradient) continue;
      first = std::min(first, timed.start_s);
      last = std::max(last, timed.end_s);
    }
    CHECK(last - first == 36.0);
  }
}

TEST_CASE("kFkB: passes of one kind come in runs") {
  const Computation chain = towers(1, 2);
  Plan plan = test::stage_per_operator(chain, 12, ScheduleKind::kOneF1B);
  for (Stage& stage : plan.stages) stage.run = 2;
  set_in_flight(chain, plan);
  CHECK(plan.stages[0].in_flight == 6);
  const Schedule schedule = make_schedule(chain, test::enough_devices(chain), plan);
  std::string kinds;
  for (const Action& action : schedule.ranks[1]) {
    if (action.kind == Kind::kForward) kinds += 'F';
    if (action.kind == Kind::kBackward) kinds += 'B';
  }
  CHECK(kinds == "FFFFBBFFBBFFBBFFBBFFBBBB");
}

TEST_SUITE("slow") {
  TEST_CASE("thousands of devices: eight towers of 512 stages, 128 micro-batches") {
    const Computation net = towers(8, 512);
    const Plan plan = test::stage_per_operator(net, 128, ScheduleKind::kOneF1B);
    CHECK(iteration(net, plan) == 3.0 * (128 + 513 - 1));
  }
}
