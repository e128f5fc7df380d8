// Fronts against all pairs of labels, and bounds where sums of gradients are long.
#include "pipeline/planners/graphpipe_front.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/rng.h"
#include "pipeline/planners/brute_force_for_test.h"
#include "pipeline/planners/graphpipe_candidates.h"
#include "pipeline/random_plan_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

bool covers(const Label& one, const Label& other, double slop_s) {
  return one.devices <= other.devices && one.height <= other.height &&
         one.paths.covers(other.paths, slop_s);
}

Label random_label(Rng& rng) {
  Label label;
  label.devices = static_cast<int>(rng.integer(1, 12));
  label.height = static_cast<int>(rng.integer(0, 3));
  label.paths.back_s = rng.uniform(1.0, 2.0);
  label.paths.all_s = label.paths.back_s + rng.uniform(0.0, 0.5);
  label.paths.forward_s = rng.uniform(0.0, 1.0);
  return label;
}

}  // namespace

TEST_CASE("fronts keep what nothing covers, and of what they drop something as good") {
  Rng rng(6);
  for (const double slop_s : {0.0, 0.01, 0.2}) {
    GrowingFront<int> growing(slop_s);
    Front labels;
    for (int i = 0; i < 600; ++i) {
      labels.push_back(random_label(rng));
      growing.add(labels.back(), i);
    }
    std::vector<int> steps;
    const Front front = growing.take(steps);
    CHECK(front.size() < labels.size() / 2);
    CHECK(std::is_sorted(front.begin(), front.end(),
                         [](const Label& a, const Label& b) { return a.devices < b.devices; }));
    for (const Label& kept : front) {
      const Label& own =
          labels[static_cast<std::size_t>(steps[static_cast<std::size_t>(kept.plan)])];
      CHECK(own.paths.back_s == kept.paths.back_s);
    }
    for (const Label& label : labels) {
      CHECK(std::any_of(front.begin(), front.end(),
                        [&](const Label& kept) { return covers(kept, label, slop_s); }));
    }
    if (slop_s > 0.0) continue;
    for (const Label& kept : front) {
      CHECK(std::count_if(labels.begin(), labels.end(),
                          [&](const Label& label) { return covers(label, kept, 0.0); }) == 1);
    }
  }
}

TEST_CASE("chains whose sums of gradients end an iteration: the best of all partitions") {
  Rng rng(7);
  for (int round = 0; round < 60; ++round) {
    Computation net = test::series_parallel_network(static_cast<int>(rng.integer(2, 7)), rng);
    net.edges.clear();
    for (int i = 1; i < static_cast<int>(net.operators.size()); ++i) {
      net.edges.push_back({i - 1, i, rng.uniform(0.0, 2.0)});
    }
    for (Operator& op : net.operators) op.parameter_bytes = rng.uniform(0.0, 60.0);
    const auto count = static_cast<int>(rng.integer(2, 5));
    const Cluster cluster = uniform_cluster(count, 1e9, {10.0, 0.01}, count);
    PlanOptions options{.batch = 8, .micro_batch = rng.chance(0.5) ? 4 : 2};
    if (rng.chance(0.4)) options.schedule = ScheduleKind::kSplit;
    EqualDevices devices;
    devices.count = devices.per_node = count;
    devices.memory_bytes = 1e9;
    devices.edges = devices.inside = devices.between = cluster.inside;
    const Pricing pricing(net, devices, options, options.micro_batch);
    const Candidates found =
        find_candidates(net, structure_of(net), cluster, options, {Deadline(0.0)});
    REQUIRE(!found.list.empty());
    CHECK(found.list.front().predicted_s ==
          doctest::Approx(test::BruteForce(net, pricing).best()).epsilon(1e-9));
  }
}
