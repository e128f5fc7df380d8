// GraphPipe's planner against brute force, chains and closed forms.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

#include "base/rng.h"
#include "lamina/error.h"
#include "lamina/pipeline.h"
#include "pipeline/planners.h"
#include "pipeline/planners/brute_force_for_test.h"
#include "pipeline/planners/graphpipe_candidates.h"
#include "pipeline/planners/planner_space_for_test.h"
#include "pipeline/planners/series_parallel.h"
#include "pipeline/random_plan_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

Cluster cluster_of(int devices) { return uniform_cluster(devices, 1e9, {1e9, 0.0}, devices); }

EqualDevices equal_devices(const Cluster& cluster) {
  EqualDevices devices;
  devices.count = devices.per_node = static_cast<int>(cluster.devices.size());
  devices.memory_bytes = cluster.devices.front().memory_bytes;
  devices.edges = devices.inside = devices.between = cluster.inside;
  return devices;
}

Plan plan_of(const Computation& net, const Cluster& cluster, const PlanOptions& options) {
  const Planned planned = make_plan(net, cluster, PlannerKind::kGraphPipe, options);
  REQUIRE_MESSAGE(planned.plan, planned.reason);
  return *planned.plan;
}

// Forks of more branches have more orders than the search tries.
bool has_wide_fork(const SpTree& tree) {
  constexpr std::size_t kAllOrders = 3;
  if (tree.kind == SpTree::Kind::kParallel && tree.children.size() > kAllOrders) return true;
  return std::any_of(tree.children.begin(), tree.children.end(), has_wide_fork);
}

bool has_tangle(const SpTree& tree) {
  return tree.kind == SpTree::Kind::kTangle ||
         std::any_of(tree.children.begin(), tree.children.end(), has_tangle);
}

Candidates search(const Computation& net, const SpTree& structure, const Cluster& cluster,
                  const PlanOptions& options) {
  return find_candidates(net, structure, cluster, options, {Deadline(0.0)});
}

}  // namespace

// (M + D - 1) (f + b) for equal stages, D the longest path.
TEST_CASE("towers with a device for every layer") {
  const Computation net = test::towers_network({4, 8, 0.0});
  const PlanOptions options{.batch = 32, .micro_batch = 1};
  const Candidates found = search(net, structure_of(net), cluster_of(32), options);
  const Plan& searched = found.list.front().plan;
  CHECK(searched.stages.size() == 32);  // the join is free, and goes with a last layer
  CHECK(depth(net, searched) == 9);     // which all others are before
  // As a stage of its own on the same device it keeps nobody waiting.
  const Plan plan = plan_of(net, cluster_of(32), options);
  CHECK(plan.stages.size() == 33);
  CHECK(iteration_seconds(net, cluster_of(32), plan) == doctest::Approx((32 + 8 - 1) * 3.0));
}

std::vector<Edge> line_edges(const Computation& net) {
  std::vector<Edge> edges;
  for (int i = 1; i < static_cast<int>(net.operators.size()); ++i) edges.push_back({i - 1, i, 0.0});
  return edges;
}

struct Bests {
  double inside = 0.0;  // the planner's space: its partitions, and those of the line
  double all = 0.0;     // of all partitions whose stage graph has no cycle
};
Bests best_partitions(const Computation& net, const SpTree& tree, const Pricing& pricing) {
  const test::PlannerSpace space(tree);
  Bests bests;
  bests.inside = bests.all = test::BruteForce(net, pricing, line_edges(net)).best();
  test::BruteForce(net, pricing).for_each([&](const std::vector<unsigned>& stages, double seconds) {
    bests.all = std::min(bests.all, seconds);
    if (seconds < bests.inside && space.has(stages)) bests.inside = seconds;
  });
  return bests;
}

// Sometimes with messages, with times of passes, and with operators that all cost the same.
Computation random_costs(Computation net, Rng& rng) {
  const bool are_alike = rng.chance(0.25), have_messages = rng.chance(0.5);
  std::vector<double> bytes;
  for (Operator& op : net.operators) {
    if (are_alike) op = net.operators.front();
    bytes.push_back(have_messages && !are_alike ? rng.uniform(0.0, 2.0) : 1.0);
  }
  if (rng.chance(0.3)) net.operators.back().fixed_s = rng.uniform(0.0, 2.0);
  if (!have_messages) return net;
  for (Edge& edge : net.edges) edge.bytes = bytes[static_cast<std::size_t>(edge.from)];
  return net;
}

// Some edges of a line are left out, and some are added.
Computation entangled(int operators, Rng& rng) {
  Computation net = test::series_parallel_network(operators, rng);
  net.edges.clear();
  for (int to = 1; to < operators; ++to) {
    for (int from = std::max(0, to - 4); from < to; ++from) {
      if (rng.chance(0.35)) net.edges.push_back({from, to, 0.0});
    }
  }
  return net;
}

// What is planned for a random network of at most 9 operators.
struct SmallCase {
  Computation net;
  Cluster cluster;
  PlanOptions options;
};
SmallCase small_case(Computation net, Rng& rng) {
  SmallCase small{random_costs(std::move(net), rng), {}, {.batch = 8, .micro_batch = 1}};
  const auto devices = static_cast<int>(rng.integer(2, 5));
  small.cluster = uniform_cluster(devices, 1e9, {1.0, rng.chance(0.3) ? 0.2 : 0.0}, devices);
  if (small.net.operators.size() < 8 && rng.chance(0.5)) small.options.micro_batch = 2;
  if (rng.chance(0.3)) small.options.schedule = ScheduleKind::kSplit;
  return small;
}

// All partitions of random networks of at most 9 operators, against the search of their structure.
void compare_spaces(bool are_series_parallel, std::uint64_t seed, int rounds) {
  Rng rng(seed);
  int compared = 0, equal = 0;
  double gaps = 0.0;
  for (int round = 0; round < rounds; ++round) {
    const auto count = static_cast<int>(rng.integer(4, 9));
    const auto& [net, cluster, options] = small_case(
        are_series_parallel ? test::series_parallel_network(count, rng) : entangled(count, rng),
        rng);
    const SpTree tree = decompose(net, count).tree;
    if (has_wide_fork(tree) || has_tangle(tree) == are_series_parallel) continue;
    const Pricing pricing(net, equal_devices(cluster), options, options.micro_batch);
    const Bests bests = best_partitions(net, tree, pricing);
    CAPTURE(round);
    const Candidates found = search(net, tree, cluster, options);
    REQUIRE(!found.list.empty());
    CHECK(found.list.front().predicted_s == doctest::Approx(bests.inside).epsilon(1e-9));
    ++compared;
    equal += bests.inside <= bests.all * (1.0 + 1e-9) ? 1 : 0;
    gaps += bests.inside / bests.all - 1.0;
  }
  MESSAGE(compared << " networks; " << equal << " with no better partition outside the space, mean"
                   << " gap " << gaps / compared);
  CHECK(gaps / compared < 0.025);
}

TEST_CASE("structures: the best of all partitions of their space") {
  compare_spaces(true, 1, 1000);
  compare_spaces(false, 2, 1200);
}

TEST_CASE("structures: the best of all partitions, more" * doctest::test_suite("slow")) {
  compare_spaces(true, 3, 20000);
  compare_spaces(false, 4, 25000);
}

// Without messages, for which the search's bound may be too small.
void bound_memory(Computation& net, Cluster& cluster, PlanOptions& options, Rng& rng) {
  for (Edge& edge : net.edges) edge.bytes = 0.0;
  const double memory_bytes = rng.uniform(10.0, 40.0);
  for (DeviceSpec& device : cluster.devices) device.memory_bytes = memory_bytes;
  options.recompute = rng.chance(0.5);
  options.shard_optimizer = rng.chance(0.5);
}

// All partitions of random networks of at most 9 operators, whatever their structure.
void compare_small(std::uint64_t seed, int rounds) {
  Rng rng(seed);
  for (int round = 0; round < rounds; ++round) {
    const auto count = static_cast<int>(rng.integer(1, 9));
    auto [net, cluster, options] = small_case(
        rng.chance(0.5) ? test::series_parallel_network(count, rng) : entangled(count, rng), rng);
    if (rng.chance(0.3)) bound_memory(net, cluster, options, rng);
    const Pricing pricing(net, equal_devices(cluster), options, options.micro_batch);
    const double least = test::BruteForce(net, pricing).best();
    CAPTURE(round);
    const Candidates found = search(net, structure_of(net), cluster, options);
    CHECK(found.list.empty() == std::isinf(least));
    if (found.list.empty()) continue;
    CHECK(found.list.front().predicted_s == doctest::Approx(least).epsilon(1e-9));
  }
}

TEST_CASE("small networks: the best of all acyclic partitions") { compare_small(5, 600); }

TEST_CASE("small networks: the best of all acyclic partitions, more" *
          doctest::test_suite("slow")) {
  compare_small(6, 10000);
}

TEST_CASE("chains: the best of all partitions, with bounded memory and recomputation too") {
  Rng rng(3);
  int planned = 0;
  for (int round = 0; round < 40; ++round) {
    Computation net = test::series_parallel_network(static_cast<int>(rng.integer(2, 7)), rng);
    net.edges = line_edges(net);
    Cluster cluster = cluster_of(static_cast<int>(rng.integer(2, 4)));
    const PlanOptions options{.batch = 8,
                              .micro_batch = rng.chance(0.5) ? 2 : 1,
                              .recompute = rng.chance(0.5),
                              .shard_optimizer = rng.chance(0.5)};
    const double memory_bytes = rng.uniform(10.0, 40.0);
    for (DeviceSpec& device : cluster.devices) device.memory_bytes = memory_bytes;
    const Pricing pricing(net, equal_devices(cluster), options, options.micro_batch);
    const double least = test::BruteForce(net, pricing).best();
    const Candidates found = search(net, structure_of(net), cluster, options);
    CHECK(found.list.empty() == std::isinf(least));
    if (found.list.empty()) continue;
    ++planned;
    CHECK(found.list.front().predicted_s == doctest::Approx(least));
  }
  CHECK(planned > 10);
}

TEST_CASE("never slower than the planners of chains") {
  Rng rng(4);
  for (int round = 0; round < 12; ++round) {
    const auto count = static_cast<int>(rng.integer(6, 16));
    Computation net = rng.chance(0.5) ? test::series_parallel_network(count, rng)
                                      : test::random_network(count, {1.0, 1.2, 0.8}, rng);
    for (Edge& edge : net.edges) edge.bytes = 1.0;
    const auto devices = static_cast<int>(rng.integer(2, 6));
    const Cluster cluster = uniform_cluster(devices, 1e9, {20.0, 0.01}, rng.chance(0.5) ? 2 : 8);
    const PlanOptions options{.batch = 16};
    const double ours = iteration_seconds(net, cluster, plan_of(net, cluster, options));
    for (const PlannerKind kind : {PlannerKind::kChain, PlannerKind::kLinear, PlannerKind::kIdeals,
                                   PlannerKind::kAlpa, PlannerKind::kPiper}) {
      const Planned other = make_plan(net, cluster, kind, options);
      if (!other.plan) continue;
      CAPTURE(name(kind));
      CHECK(ours <= iteration_seconds(net, cluster, *other.plan) * (1.0 + 1e-9));
    }
  }
}

TEST_CASE("unequal devices: a slow one is used only where it helps") {
  const Computation net = test::towers_network({2, 4, 0.0});
  Cluster cluster = cluster_of(4);
  cluster.devices[3].speed = 0.01;
  const Plan plan = plan_of(net, cluster, {.batch = 16});
  for (const Stage& stage : plan.stages) {
    CHECK(std::count(stage.devices.begin(), stage.devices.end(), 3) == 0);
  }
  cluster.devices[3].speed = 1.0;
  const double even = iteration_seconds(net, cluster, plan_of(net, cluster, {.batch = 16}));
  CHECK(even < iteration_seconds(net, cluster, plan));
}

TEST_CASE("stages with several devices stay within a node") {
  Computation net = test::towers_network({2, 2, 0.0});
  for (Operator& op : net.operators) op.parameter_bytes = 10.0;
  Cluster cluster = uniform_cluster(8, 1e9, {1000.0, 0.0}, 4);
  cluster.between.bytes_per_s = 0.1;
  const Plan plan = plan_of(net, cluster, {.batch = 32, .micro_batch = 4});
  for (const Stage& stage : plan.stages) {
    for (const int device : stage.devices) CHECK(device / 4 == stage.devices.front() / 4);
  }
}

TEST_CASE("a limit ends the work after the search too, with the best plan so far") {
  const Computation net = test::towers_network({4, 8, 0.0});
  PlanOptions options{.batch = 256};
  const Planned all = make_plan(net, cluster_of(32), PlannerKind::kGraphPipe, options);
  REQUIRE(all.plan);
  CHECK(all.reason.empty());
  int plans = 0;
  for (const double share : {0.1, 0.25, 0.4}) {
    options.limit_s = share * all.search_s;
    const Planned some = make_plan(net, cluster_of(32), PlannerKind::kGraphPipe, options);
    plans += some.plan ? 1 : 0;
    CHECK(some.reason.find("stopped after") == 0);
    CHECK(some.search_s < options.limit_s + 0.5 * all.search_s + 0.1);
  }
  CHECK(plans > 0);
}

TEST_CASE("a network that takes no time") {
  Computation net;
  net.name = "idle";
  net.operators = {{"a"}, {"b"}};
  net.edges = {{0, 1, 0.0}};
  CHECK(!plan_of(net, cluster_of(2), {.batch = 4}).stages.empty());
}

TEST_CASE("devices of other numbers than powers of two share a batch that they divide") {
  Rng rng(8);
  const Computation net = test::series_parallel_network(5, rng);
  const auto seconds = [&](int devices, int micro_batch) {
    const Cluster cluster = cluster_of(devices);
    const PlanOptions options{.batch = 96, .micro_batch = micro_batch};
    return iteration_seconds(net, cluster, plan_of(net, cluster, options));
  };
  for (const int devices : {3, 6}) {
    for (const int micro_batch : {12, 24, 48, 96}) {
      CHECK(seconds(devices, 0) <= seconds(devices, micro_batch));
    }
  }
  CHECK(micro_batches({.batch = 96}, cluster_of(2)) ==
        std::vector<int>{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96});
  CHECK(micro_batches({.batch = 97}, cluster_of(2)) == std::vector<int>{1, 97});
  CHECK(micro_batches({.batch = 120}, cluster_of(2)).size() == 12);
}

TEST_CASE("batches of more samples than there can be passes") {
  Rng rng(5);
  const Computation net = test::series_parallel_network(3, rng);
  constexpr int kPrime = 1073741789;
  const Cluster large = uniform_cluster(3, 1e15, {1e9, 0.0}, 3);
  const Plan plan = plan_of(net, large, {.batch = kPrime});
  CHECK(plan.stages[0].micro_batch == kPrime);
  CHECK_THROWS_WITH_AS(
      make_plan(net, cluster_of(3), PlannerKind::kGraphPipe, {.batch = kPrime, .micro_batch = 1}),
      doctest::Contains("too many for schedules of 3 devices"), Error);
}

TEST_CASE("what cannot be planned is said") {
  Rng rng(5);
  const Computation net = test::series_parallel_network(6, rng);
  Cluster cluster = uniform_cluster(2, 1.0, {1e9, 0.0}, 2);
  const Planned none = make_plan(net, cluster, PlannerKind::kGraphPipe, {.batch = 8});
  CHECK(!none.plan);
  CHECK(none.reason == "no plan fits the memory of the 2 devices");
}

TEST_CASE("profiles of PipeDream") {
  const char* folder = std::getenv("LAMINA_PIPELINE_GRAPHS");
  if (folder == nullptr) {
    MESSAGE("skipped: LAMINA_PIPELINE_GRAPHS does not name a folder with pipedream/*.txt");
    return;
  }
  for (const char* name : {"vgg16", "gnmt", "nasnetamobile"}) {
    CAPTURE(name);
    const Computation net =
        load_computation(std::string(folder) + "/pipedream/" + name + ".txt", 64.0);
    const Cluster cluster = uniform_cluster(8, 16e9, {12.5e9, 5e-6}, 8);
    const PlanOptions options{.batch = 128};
    const Planned alpa = make_plan(net, cluster, PlannerKind::kAlpa, options);
    const Planned ours = make_plan(net, cluster, PlannerKind::kGraphPipe, options);
    REQUIRE(ours.plan);
    REQUIRE(alpa.plan);
    CHECK(iteration_seconds(net, cluster, *ours.plan) <=
          iteration_seconds(net, cluster, *alpa.plan) * (1.0 + 1e-9));
    CHECK(ours.search_s < 60.0);
  }
}
