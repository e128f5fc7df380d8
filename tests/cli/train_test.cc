// lamina train: pipelines give the losses of one another, write what was run, go on from each
// other's checkpoints, and refuse what does not fit.
#include "lamina/train.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "base/json.h"
#include "lamina/pipeline.h"
#include "sandbox.h"

using namespace lamina;
using namespace lamina::test;

namespace {

const std::string kModel = R"(lamina 1
graph small[N: 1..64](x: f32[N, 6], target: f32[N, 1], weight a: f32[6, 8], weight b: f32[8, 8],
    weight c: f32[8, 1]) {
  one = matmul(x, a)
  first = tanh(one)
  two = matmul(first, b)
  second = tanh(two)
  three = matmul(second, c)
  error = sub(three, target)
  square = mul(error, error)
  loss = mean(square)
  return loss
}
)";

std::vector<double> losses(const Sandbox& box, const std::string& log) {
  std::vector<double> result;
  for (const train::LogEntry& entry : train::load_loss_log(box.path(log))) {
    if (!entry.test) result.push_back(entry.loss);
  }
  return result;
}

}  // namespace

TEST_CASE("train: a pipeline of threads, its files, and going on with more ranks") {
  const Sandbox box;
  write_all(box.path("small.lam"), kModel);
  const std::string common =
      "train $/small.lam --samples 32 --batch 8 --micro-batch 2 --planner chain --threads 1 "
      "--checkpoints $/saved --checkpoint-every 5 --json $/report.json ";
  Outcome outcome =
      box.lamina(common +
                 "--steps 10 --devices 2 --log $/two.jsonl --write-plan $/plan.json "
                 "--write-schedule $/lists.txt --trace $/trace.json --svg $/loss.svg");
  REQUIRE_MESSAGE(outcome.status == 0, outcome.err);
  const Json report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("steps").integer() == 10);
  REQUIRE(report.at("ranks").array().size() == 2);
  for (const Json& rank : report.at("ranks").array()) {
    CHECK(rank.at("busy").real() > 0.0);
    CHECK(rank.at("busy").real() <= 1.0);
    CHECK(rank.at("peak_bytes").real() > 0.0);
    CHECK(rank.at("peak_bytes").real() <= rank.at("predicted_bytes").real());
  }
  CHECK(pipeline::load_plan(box.path("plan.json")).stages.size() == 2);
  CHECK(read_all(box.path("lists.txt")).starts_with("0: F0.0 SF0.0:0"));
  std::vector<int> updates(2, 0);
  const Json trace = Json::parse(read_all(box.path("trace.json")));
  for (const Json& event : trace.at("traceEvents").array()) {
    const auto rank = static_cast<std::size_t>(event.at("tid").integer());
    if (event.at("cat").text() == "update") ++updates.at(rank);
  }
  CHECK(updates == std::vector<int>{1, 1});
  CHECK(read_all(box.path("loss.svg")).find("<svg") != std::string::npos);

  // Ten more steps, in another number of stages.
  outcome = box.lamina(common + "--steps 20 --devices 3 --resume --log $/two.jsonl");
  REQUIRE_MESSAGE(outcome.status == 0, outcome.err);
  const std::string fresh =
      "train $/small.lam --samples 32 --batch 8 --micro-batch 2 --planner chain --threads 1 ";
  outcome =
      box.lamina(fresh + "--steps 20 --devices 2 --pipeline-schedule split --log $/all.jsonl");
  REQUIRE_MESSAGE(outcome.status == 0, outcome.err);
  const std::vector<double> two = losses(box, "two.jsonl"), all = losses(box, "all.jsonl");
  REQUIRE(two.size() == 20);
  REQUIRE(all.size() == 20);
  for (std::size_t i = 0; i < two.size(); ++i)
    CHECK(two[i] == doctest::Approx(all[i]).epsilon(1e-4));
}

TEST_CASE("train: a run that is finished has nothing left to do") {
  for (const char* devices : {"1", "2"}) {
    CAPTURE(devices);
    const Sandbox box;
    write_all(box.path("small.lam"), kModel);
    const std::string train =
        "train $/small.lam --samples 32 --batch 8 --threads 1 --steps 6 --checkpoints $/saved "
        "--log $/log.jsonl --json $/report.json --devices " +
        std::string(devices);
    REQUIRE(box.lamina(train).status == 0);
    const Json first = Json::parse(read_all(box.path("report.json")));
    CHECK(first.at("steps_before").integer() == 0);
    const std::string log = read_all(box.path("log.jsonl"));
    const Outcome again = box.lamina(train + " --resume");
    CHECK_MESSAGE(again.status == 0, again.err);
    CHECK(again.out.find("nothing is left to do") != std::string::npos);
    const Json report = Json::parse(read_all(box.path("report.json")));
    CHECK(report.at("steps_before").integer() == 6);
    CHECK(report.at("loss") == first.at("loss"));
    CHECK(report.at("loss").real() == losses(box, "log.jsonl").back());
    CHECK(read_all(box.path("log.jsonl")) == log);
  }
}

TEST_CASE("train: a full disk keeps the old checkpoint, from which the run goes on") {
  for (const char* devices : {"1", "2"}) {
    CAPTURE(devices);
    const Sandbox box;
    const std::string train =
        "train candle-uno --small --branches 2 --samples 32 --batch 8 --micro-batch 2 --threads 1 "
        "--devices " +
        std::string(devices);
    REQUIRE(box.lamina(train + " --steps 6 --log $/whole.jsonl").status == 0);
    const std::string saved =
        train + " --checkpoints $/saved --checkpoint-every 2 --log $/log.jsonl";
    REQUIRE(box.lamina(saved + " --steps 2").status == 0);
    // Files of at most 8 kB: the checkpoint is longer, the log is not, and programs are compiled.
    const Outcome full = box.lamina(saved + " --steps 6 --resume", "ulimit -f 16; ");
    CHECK(full.status == 6);
    CHECK_MESSAGE(full.err.find("saved/step_00000004.safetensors'") != std::string::npos, full.err);
    CHECK(box.count("saved") == 1);
    CHECK(train::load_checkpoint(box.path("saved/step_00000002.safetensors")).step == 2);
    CHECK(box.lamina(saved + " --steps 6 --resume").status == 0);
    CHECK(losses(box, "log.jsonl") == losses(box, "whole.jsonl"));
  }
}

TEST_CASE("train: on the reference device, alone and as a pipeline") {
  const Sandbox box;
  write_all(box.path("small.lam"), kModel);
  const std::string train =
      "train $/small.lam --samples 32 --batch 8 --micro-batch 2 --threads 1 --steps 6 ";
  REQUIRE(box.lamina(train + "--device ref --log $/alone.jsonl").status == 0);
  REQUIRE(box.lamina(train + "--log $/cpu.jsonl").status == 0);
  REQUIRE(box.lamina(train + "--device ref --devices 2 --log $/two.jsonl").status == 0);
  const std::vector<double> alone = losses(box, "alone.jsonl"), two = losses(box, "two.jsonl"),
                            cpu = losses(box, "cpu.jsonl");
  REQUIRE(alone.size() == 6);
  REQUIRE(two.size() == 6);
  CHECK(alone != cpu);  // another device did it
  for (std::size_t i = 0; i < alone.size(); ++i) {
    CHECK(two[i] == doctest::Approx(alone[i]).epsilon(1e-5));
    CHECK(cpu[i] == doctest::Approx(alone[i]).epsilon(1e-4));
  }
}

TEST_CASE("train: what does not fit") {
  const Sandbox box;
  write_all(box.path("small.lam"), kModel);
  const std::string train = "train $/small.lam --samples 32 --steps 2 --threads 1 ";
  REQUIRE(
      box.lamina(train + "--batch 8 --devices 2 --planner chain --write-plan $/plan.json").status ==
      0);
  box.refuses(train + "--batch 16 --devices 2 --plan $/plan.json", 2,
              "the plan is for batches of 8 samples, not of 16");
  box.refuses(train + "--batch 8 --devices 1 --plan $/plan.json", 2, "there is no device 1");
  box.refuses(train + "--batch 8 --micro-batch 3 --devices 2", 2, "3");
  box.refuses(train + "--batch 8 --devices 2 --memory 100", 5, "small");
  const std::string plan = read_all(box.path("plan.json"));
  write_all(box.path("short.json"), plan.substr(0, plan.size() / 2));
  box.refuses(train + "--batch 8 --devices 2 --plan $/short.json", 2, "short.json");
  box.refuses(train + "--devices 2 --restarts 1", 2, "--restarts is for --ranks");
  box.refuses(train + "--devices 2 --launcher srun", 2, "--launcher is for --ranks");
  box.refuses(train + "--devices 2 --ranks 2", 2, "give one of them");
  for (const char* option :
       {"--planner chain", "--pipeline-schedule split", "--recompute", "--shard-optimizer",
        "--operators 9", "--limit 9s", "--micro-batch 4"}) {
    box.refuses(train + "--batch 8 --devices 2 --plan $/plan.json " + option, 2,
                "are for making a plan");
  }
  box.refuses(train + "--batch 8 --devices 2 --plan $/plan.json --memory 100", 5,
              "the plan does not fit: device 0 may need");
  for (const char* devices : {"1", "2"}) {
    for (const char* option : {"--keep 3", "--checkpoint-every 4"}) {
      box.refuses(train + option + " --devices " + devices, 2, "say where the checkpoints are");
    }
  }
  box.refuses("train nothing.lam", 3, "nothing.lam");
  box.refuses(train + "--device tpu", 3, "no device 'tpu'");
  box.refuses(train + "--devices 2 --device tpu", 3, "no device 'tpu'");
  box.refuses(train + "--devices 2 --device ref --profile", 4, "profile: costs are measured on");
  box.refuses(train + "--devices 2 --transport nccl", 2, "--transport nccl is for ranks that are");
  box.refuses(train + "--ranks 2 --transport smoke", 2, "expected mpi or nccl, got 'smoke'");
  REQUIRE(box.lamina(train + "--batch 8 --checkpoints $/saved").status == 0);
  const std::string saved = box.path("saved/step_00000002.safetensors");
  const std::string checkpoint = read_all(saved);
  for (const std::size_t length : {std::size_t{5}, checkpoint.size() / 2, checkpoint.size() - 1}) {
    write_all(saved, checkpoint.substr(0, length));
    for (const char* devices : {"1", "2"}) {
      box.refuses(train + "--batch 8 --checkpoints $/saved --resume --devices " + devices, 2,
                  "step_00000002.safetensors");
    }
  }
  // Said before anything is trained.
  box.refuses("train candle-uno --small --devices 2 --trace $/absent/trace.json", 6, "absent");
  box.refuses("train candle-uno --small --ranks -1", 2, "--ranks: expected at least 0");
}

TEST_CASE("train: planned for given machines, and by a search that is bounded") {
  const Sandbox box;
  const std::string train = "train mmt --small --samples 32 --batch 8 --steps 2 --threads 1 ";
  pipeline::Cluster cluster = pipeline::uniform_cluster(2, 16e9, {2e9, 2e-5}, 1);
  cluster.between = {1e5, 0.0};
  write_all(box.path("nodes.json"), to_json(cluster));
  const auto predicted = [&](const std::string& more) {
    const Outcome outcome = box.lamina(train + "--devices 2 --json $/report.json " + more);
    CHECK_MESSAGE(outcome.status == 0, outcome.err);
    return Json::parse(read_all(box.path("report.json"))).at("predicted_s").real();
  };
  const double near = predicted("--planner chain --write-plan $/plan.json");
  CHECK(predicted("--planner chain --cluster $/nodes.json") > 10.0 * near);
  // The planner knows the border, too.
  CHECK(predicted("--cluster $/nodes.json") <
        predicted("--plan $/plan.json --cluster $/nodes.json"));
  for (const char* option : {"--memory 1e9", "--bandwidth 1e9", "--latency 1"}) {
    box.refuses(train + "--devices 2 --cluster $/nodes.json " + option, 2, "are of equal ranks");
  }
  box.refuses(train + "--devices 3 --cluster $/nodes.json", 2, "has 2 devices, for 3 ranks");
  cluster.devices[1].memory_bytes = 100.0;
  write_all(box.path("nodes.json"), to_json(cluster));
  box.refuses(train + "--devices 2 --plan $/plan.json --cluster $/nodes.json", 5,
              "device 1 may need");
  box.refuses(train + "--devices 2 --operators -1", 2,
              "the number of operators must not be negative");
  box.refuses(train + "--devices 2 --planner pipedream --limit 1ms", 5, "stopped after");
  box.refuses("train candle-uno --small --limit 1s", 2, "are of pipelines");
}

TEST_CASE("train: a rank that MPI started starts no others") {
  const Sandbox box;
  const std::string train = "train candle-uno --small --samples 32 --steps 2 ";
  for (const char* option :
       {"--ranks 2", "--restarts 5", "--launcher srun", "--devices 4", "--devices 0"}) {
    const Outcome outcome = box.lamina(train + option, "OMPI_COMM_WORLD_SIZE=2 ");
    CHECK(outcome.status == 2);
    CHECK(outcome.err.find("a launcher of MPI has started this one") != std::string::npos);
  }
}

TEST_CASE("train and simulate: plans that are none of this network") {
  const Sandbox box;
  const std::string small = " candle-uno --small --branches 2 ";
  REQUIRE(box.lamina("plan" + small +
                     "--planner chain --devices 2 --batch 8 -o $/plan.json --write-computation "
                     "$/net.json --write-cluster $/two.json")
              .status == 0);
  const pipeline::Plan good = pipeline::load_plan(box.path("plan.json"));
  const auto refused = [&](pipeline::Plan plan, const std::string& words) {
    write_all(box.path("bad.json"), to_json(plan));
    const std::string train = "train" + small + "--samples 32 --steps 2 --threads 1 --devices 2 ";
    box.refuses(train + fmt::format("--batch {} --plan $/bad.json", plan.batch), 2, words);
    box.refuses("simulate $/bad.json $/net.json $/two.json", 2, words);
  };
  pipeline::Plan plan = good;
  plan.computation = "mmt";
  refused(plan, "the plan is of 'mmt', the network is 'candle-uno'");
  plan = good;
  std::swap(plan.stages[0].operators.front(), plan.stages[1].operators.back());
  plan.chain = false;
  refused(plan, "cycle");
  plan = good;
  plan.batch = 9;
  plan.stages[0].micro_batch = plan.stages[1].micro_batch = 4;
  refused(plan, "micro-batches of 4 do not divide the batch of 9");
  plan = good;
  plan.stages[0].operators.pop_back();
  refused(plan, "is in no stage");
  plan = good;
  plan.stages[1].devices = {2};
  refused(plan, "there is no device 2, only 2");
  write_all(box.path("short.json"), to_json(good).substr(0, 100));
  box.refuses("simulate $/short.json $/net.json $/two.json", 2, "short.json");
}
