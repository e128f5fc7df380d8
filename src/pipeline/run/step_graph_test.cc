// The identity tester on steps of plans: what stages compute together is what the network's
// gradient is.
#include "pipeline/run/step_graph.h"

#include <doctest/doctest.h>

#include "lamina/verify.h"
#include "pipeline/run/trial_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;

TEST_CASE("steps in stages equal the step of the whole network") {
  // x a, a fork whose sides meet again, a skip edge, and a weight that two stages read.
  train::Network network;
  network.name = "forked";
  network.graph = parse_graph(R"(lamina 1
graph forked[N: 1..64](x: f32[N, 3], target: f32[N, 3], weight a: f32[3, 3], weight b: f32[3, 3]) {
  first = matmul(x, a)
  left = mul(first, first)
  right = matmul(first, b)
  joined = mul(left, right)
  last = matmul(joined, a)
  skipped = add(last, first)
  error = sub(skipped, target)
  square = mul(error, error)
  loss = mean(square)
  return loss
}
)");
  const GraphComputation computation = test::node_operators(network);
  Rng rng(9);
  int proved = 0;
  for (int trial = 0; trial < 12; ++trial) {
    CAPTURE(trial);
    const Plan plan = test::random_stages(
        computation, {.ranks = 3, .batch = 8, .schedule = static_cast<ScheduleKind>(trial % 4)},
        rng);
    PipelineProgram program;
    try {
      program = cut_stages(computation, plan, {});
    } catch (const Error&) {
      continue;  // the mean is apart from what it is of
    }
    const Graph parts = partitioned_step(computation, plan, program);
    const Graph whole = whole_step(computation, plan, program);
    const Verdict verdict = verify(parts, whole, {});
    CHECK_MESSAGE(verdict.outcome == Outcome::kEquivalent, verdict.reason);
    proved += plan.stages.size() > 2 ? 1 : 0;
    if (trial > 0) continue;
    // Half of the gradients of the micro-batches are not all of them.
    Plan less = plan;
    less.batch = 16;
    const Graph other = partitioned_step(computation, less, cut_stages(computation, less, {}));
    CHECK_THROWS_AS(verify(other, whole, {}), Error);
    Graph wrong = parts;
    for (Node& node : wrong.nodes) {
      if (op_name(node) == "slice" && node.attrs.dims("start")[0] == Dim(2)) {
        node.attrs.set("start", Dims(node.types[0].shape.size(), Dim(0)));
      }
    }
    CHECK(verify(wrong, whole, {}).outcome == Outcome::kDifferent);
  }
  CHECK(proved > 5);
}
