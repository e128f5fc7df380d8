// lamina plan: tables, files that other commands read, and what it says when there is no plan.
#include <doctest/doctest.h>

#include "base/json.h"
#include "lamina/pipeline.h"
#include "sandbox.h"

using namespace lamina;
using namespace lamina::test;
using namespace lamina::pipeline;

namespace {

// Four equal operators in a row: a sample takes 1 s forward and 2 s backward in each.
std::string chain_of_four() {
  Computation net;
  net.name = "four";
  for (int i = 0; i < 4; ++i) {
    net.operators.push_back({"op" + std::to_string(i), 1.0, 1.0, 1.0, 0.0, 8.0, 2.0, 0.0});
    if (i > 0) net.edges.push_back({i - 1, i, 1.0});
  }
  return to_json(net);
}

Json report_of(const Sandbox& box) { return Json::parse(read_all(box.path("report.json"))); }

}  // namespace

TEST_CASE("plan: the chain of equal stages, its numbers and its files") {
  const Sandbox box;
  write_all(box.path("four.json"), chain_of_four());
  const Outcome outcome = box.lamina(
      "plan $/four.json --planner chain --devices 4 --bandwidth 1e12 --latency 0 --memory 1e6 "
      "--batch 8 --micro-batch 1 -o $/plan.json --write-cluster $/cluster.json --svg $/p.svg "
      "--trace $/trace.json --json $/report.json");
  CHECK_MESSAGE(outcome.status == 0, outcome.err);
  const Json report = report_of(box);
  CHECK(report.at("bottleneck_s").real() == doctest::Approx(3.0));
  CHECK(report.at("iteration_s").real() == doctest::Approx(3.0 * (8 + 4 - 1)).epsilon(1e-6));
  CHECK(report.at("depth").integer() == 4);
  CHECK(report.at("in_flight").integer() == 4);
  CHECK(report.at("memory_bytes").real() > 8.0 * 4);
  CHECK(report.at("search_s").real() >= 0.0);
  CHECK(report.at("stages").array().size() == 4);
  CHECK(report.at("stages").array()[1].at("operators") == Json(Json::Array{1}));
  const Plan plan = load_plan(box.path("plan.json"));
  CHECK(plan.batch == 8);
  validate(load_computation(box.path("four.json")), load_cluster(box.path("cluster.json")), plan);
  CHECK(read_all(box.path("p.svg")).find("<svg") != std::string::npos);
  CHECK(Json::parse(read_all(box.path("trace.json"))).find("traceEvents") != nullptr);
  const Outcome again =
      box.lamina("simulate $/plan.json $/four.json $/cluster.json --json $/report.json");
  CHECK(again.status == 0);
  CHECK(report_of(box).at("iteration_s") == report.at("iteration_s"));
  write_all(box.path("small.json"), to_json(uniform_cluster(4, 10.0, {1e12, 0.0}, 4)));
  box.refuses("simulate $/plan.json $/four.json $/small.json", 5, "device 0 may need");
}

TEST_CASE("plan: the cluster of a file, and the schedule and micro-batch asked for") {
  const Sandbox box;
  write_all(box.path("four.json"), chain_of_four());
  write_all(box.path("two.json"), to_json(uniform_cluster(2, 1e6, {1e12, 0.0}, 1)));
  const Outcome outcome = box.lamina(
      "plan $/four.json --planner chain --cluster $/two.json --batch 8 --micro-batch 2 "
      "--schedule gpipe -o $/plan.json --json $/report.json");
  CHECK_MESSAGE(outcome.status == 0, outcome.err);
  CHECK(report_of(box).at("in_flight").integer() == 4);
  const Plan plan = load_plan(box.path("plan.json"));
  CHECK(plan.schedule == ScheduleKind::kGPipe);
  REQUIRE(plan.stages.size() == 2);
  CHECK(plan.stages[0].micro_batch == 2);
}

TEST_CASE("plan: no plan, and arguments that make none") {
  const Sandbox box;
  write_all(box.path("four.json"), chain_of_four());
  const std::string plan = "plan $/four.json --planner chain ";
  box.refuses(plan + "--devices 4 --memory 10 -o $/plan.json --json $/report.json", 5, "fits");
  CHECK(!std::filesystem::exists(box.path("plan.json")));
  CHECK(report_of(box).find("search_s") != nullptr);
  box.refuses(plan, 2, "either --devices N, of at least 1, or --cluster FILE");
  box.refuses(plan + "--devices 2 --cluster $/c.json", 2, "either --devices N");
  box.refuses(plan + "--devices 2 --batch 6 --micro-batch 4", 2, "do not divide the batch of 6");
  box.refuses(plan + "--devices 2 --bandwidth 0", 2, "bytes_per_s must be positive");
  box.refuses(plan + "--devices 2 --schedule zb", 2, "there is no schedule 'zb'");
  box.refuses("plan $/four.json --planner best --devices 2", 2, "there is no planner 'best'");
  box.refuses("plan $/absent.json --planner chain --devices 2", 3, "absent.json");
  box.refuses("plan mnt --devices 2", 3, "neither a file nor a network: these are mmt");
  box.refuses(plan + "--devices 2 --machine share/machines/a100.json", 2, "has costs already");
  box.refuses(plan + "--devices 2 --size N=3", 2, "belong to models");
  box.refuses("plan $/four.json --devices 2 --chunks 2", 2,
              "planner graphpipe does not read chunks; those that do: chain");
  box.refuses("plan $/four.json --devices 2 --planner pipedream --recompute", 2,
              "planner pipedream does not read recompute; those that do: graphpipe, piper, alpa");
  write_all(box.path("two.json"), to_json(uniform_cluster(2, 1e6, {1e12, 0.0}, 1)));
  box.refuses(plan + "--cluster $/two.json --memory 5", 2, "belong to --devices");
  // Known before the search.
  box.refuses(plan + "--devices 2 -o $/absent/plan.json --svg $/p.svg", 6, "absent/plan.json");
  box.refuses(plan + "--devices 2 --svg $/p.svg --json $", 6, "Is a directory");
  CHECK(!std::filesystem::exists(box.path("p.svg")));
}

TEST_CASE("plan: the step in stages is proved to be the network's") {
  const Sandbox box;
  const std::string how =
      " --machine share/machines/epyc_zen3.json --batch 16 --prove --json $/report.json";
  const Outcome candle = box.lamina("plan candle-uno --small --branches 2 --width 8 --devices 3" +
                                    how + " --frozen branch_0 --micro-batch 4 --planner chain");
  CHECK_MESSAGE(candle.status == 0, candle.err);
  const Json proof = report_of(box).at("proof");
  CHECK(proof.at("outcome").text() == "equivalent");
  CHECK(proof.at("bits").real() >= 80.0);
  CHECK(proof.at("samples").integer() == 2);
  // Norms and attention: all agrees, which proves little.
  const Outcome mmt = box.lamina(
      "plan mmt --small --branches 2 --layers 1 --tokens 2 --width 4 --heads 2 --feed-forward 4 "
      "--classes 2 --devices 2" +
      how);
  CHECK_MESSAGE(mmt.status == 5, mmt.err);
  CHECK(mmt.out.find("agree") != std::string::npos);
  write_all(box.path("four.json"), chain_of_four());
  box.refuses("plan $/four.json --planner chain --devices 2 --prove", 2, "has no loss");
}

TEST_CASE("plan: named networks and models, with modelled and measured costs") {
  const Sandbox box;
  const std::string how = " --planner chain --devices 2 --json $/report.json";
  const std::string machine = " --machine share/machines/epyc_zen3.json";
  const Outcome mmt =
      box.lamina("plan mmt --small --branches 2 --write-computation $/mmt.json" + machine + how);
  CHECK_MESSAGE(mmt.status == 0, mmt.err);
  CHECK(report_of(box).at("input").text() == "network");
  CHECK(report_of(box).at("costs").text() == "modelled");
  CHECK(report_of(box).at("stages").array().size() == 2);
  const Computation written = load_computation(box.path("mmt.json"));
  CHECK(written.name == "mmt");
  CHECK(written.operators.size() == 2 * 2 * 5 + 1);
  const Outcome measured =
      box.lamina("plan candle-uno --small --branches 2 --profile --threads 1" + how,
                 "XDG_CACHE_HOME=" + box.path("cache") + " ");
  CHECK_MESSAGE(measured.status == 0, measured.err);
  CHECK(report_of(box).at("costs").text() == "measured");
  CHECK(report_of(box).at("iteration_s").real() > 0.0);

  write_all(box.path("m.lam"), R"(lamina 1
graph affine[T](x: f32[T, 3], weight w: f32[3, 4], weight v: f32[4, 4]) {
  y = matmul(x, w)
  z = matmul(y, v)
  return z
}
)");
  const Outcome model = box.lamina("plan $/m.lam" + machine + how);
  CHECK_MESSAGE(model.status == 0, model.err);
  CHECK(model.out.find("has no loss") != std::string::npos);
  CHECK(report_of(box).at("input").text() == "model");

  box.refuses("plan mmt --rows 5" + machine + how, 2, "network 'mmt' has no option 'rows'");
  box.refuses("plan $/m.lam --branches 2" + machine + how, 2, "belong to named networks");
  write_all(box.path("four.json"), chain_of_four());
  box.refuses("plan $/four.json --profile" + how, 2, "there is nothing to measure");
}
