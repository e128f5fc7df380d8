// Runs of networks on the cpu device: what ranks hold, and parameters in bf16.
#include <doctest/doctest.h>

#include "base/files.h"
#include "base/temporary_folder.h"
#include "lamina/nn.h"
#include "lamina/pipeline_run.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

// A small network with synthetic data.
struct Training {
  train::Network network;
  std::unique_ptr<train::Dataset> data;
  train::TrainOptions options;

  explicit Training(const std::string& name)
      : network(lamina::network(name, {.small = true})),
        data(train::load_dataset({.samples = 64}, train::Split::kTraining, network)) {
    options.steps = 6;
    options.batch = 16;
    options.micro_batch = 4;
    options.threads = 1;
  }

  train::TrainTask task() const { return {network, *data, nullptr, {}, {}, options}; }
};

struct Losses {
  std::vector<double> values;
  std::function<void(const train::LogEntry&)> watch() {
    return [this](const train::LogEntry& entry) {
      if (!entry.test) values.push_back(entry.loss);
    };
  }
};

void check_memory(const PipelineResult& result) {
  for (const RankReport& rank : result.ranks) {
    CHECK(rank.peak_bytes > 0.0);
    CHECK(rank.peak_bytes <= rank.predicted_bytes);
    CHECK(rank.predicted_bytes <= rank.planned_bytes);
  }
}

// The stages of a plan for four ranks, on fewer.
std::string folded(Plan plan, int ranks) {
  for (Stage& stage : plan.stages) {
    for (int& device : stage.devices) device = device * ranks / 4;
  }
  return to_json(plan);
}

void check_near(const std::vector<double>& got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CHECK(got[i] == doctest::Approx(want[i]).epsilon(2e-3));
  }
}

}  // namespace

TEST_CASE("ranks hold no more than foreseen, packs included") {
  for (const char* name : {"mmt", "resnet"}) {
    for (const char* schedule : {"1f1b", "split"}) {
      CAPTURE(name);
      CAPTURE(schedule);
      Training training(name);
      training.options.steps = 2;
      PipelineOptions options;
      options.planner = "chain";
      options.pipeline_schedule = schedule;
      check_memory(train_pipeline(training.task(), options, 2));
    }
  }
}

TEST_CASE("bf16: equal losses on 1, 2 and 4 ranks, near those of one process") {
  Training training("mmt");
  training.options.bf16 = true;
  Losses alone, four;
  train::train(training.task(), {}, alone.watch());
  PipelineOptions options;
  options.planner = "chain";
  const PipelineResult first = train_pipeline(training.task(), options, 4, {}, four.watch());
  check_memory(first);
  REQUIRE(first.plan.stages.size() == 4);
  check_near(four.values, alone.values);
  Training exact("mmt");
  Losses f32;
  train::train(exact.task(), {}, f32.watch());
  CHECK(f32.values != alone.values);
  const TemporaryFolder folder;
  for (const int ranks : {1, 2}) {
    CAPTURE(ranks);
    const PipelineOptions again{.plan = folder.file("plan.json")};
    write_file_atomically(again.plan, folded(first.plan, ranks));
    training.options.micro_batch = 0;
    Losses fewer;
    check_memory(train_pipeline(training.task(), again, ranks, {}, fewer.watch()));
    CHECK(fewer.values == four.values);
  }
}

TEST_CASE("bf16: checkpoints are those of one process") {
  Training training("mmt");
  training.options.bf16 = true;
  Losses whole;
  train::train(training.task(), {}, whole.watch());
  const TemporaryFolder folder;
  training.options.checkpoints = folder.file("saved");
  training.options.resume = true;
  training.options.checkpoint_every = 2;
  PipelineOptions options;
  options.planner = "chain";
  Losses parts;
  training.options.steps = 2;
  train_pipeline(training.task(), options, 2, {}, parts.watch());
  const train::Checkpoint saved =
      train::load_checkpoint(*train::latest_checkpoint(training.options.checkpoints));
  for (const auto& [name, parameter] : saved.parameters) {
    CHECK(parameter.dtype() == DType::kBF16);
    REQUIRE(saved.optimizer.contains(name + "/master"));
    const Tensor& master = saved.optimizer.at(name + "/master");
    CHECK(master.dtype() == DType::kF32);
    CHECK(master.cast(DType::kBF16).to_doubles() == parameter.to_doubles());
  }
  training.options.steps = 4;
  train::train(training.task(), {}, parts.watch());
  training.options.steps = 6;
  train_pipeline(training.task(), options, 3, {}, parts.watch());
  check_near(parts.values, whole.values);
}
