// The loop: it learns, its gradients add up over micro-batches, and a run that was cut goes on as
// if it had not been.
#include "lamina/train.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/check.h"
#include "base/temporary_folder.h"
#include "nn/train/small_networks_for_test.h"
#include "nn/train/step_program.h"

using namespace lamina;
using namespace lamina::train;

namespace {

bool equal(const NamedTensors& a, const NamedTensors& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a) {
    if (!b.contains(name) || tensor.to_doubles() != b.at(name).to_doubles()) return false;
  }
  return true;
}

TrainOptions short_run(std::int64_t steps) {
  TrainOptions options;
  options.steps = steps;
  options.batch = 32;
  options.threads = 1;
  return options;
}

std::vector<double> losses_of(const TrainTask& task, NamedTensors* parameters = nullptr) {
  std::vector<double> losses;
  const TrainResult result = lamina::train::train(task, {}, [&](const LogEntry& entry) {
    if (!entry.test) losses.push_back(entry.loss);
  });
  if (parameters != nullptr) *parameters = result.parameters;
  return losses;
}

}  // namespace

TEST_CASE("a small regression learns what follows from its inputs") {
  const Network network = small_regression();
  const auto data = load_dataset({.samples = 512}, Split::kTraining, network);
  const auto tests = load_dataset({.samples = 512}, Split::kTest, network);
  TrainTask task{network, *data, tests.get(), {}, {.learning_rate = 0.02}, short_run(200)};
  const TrainResult result = lamina::train::train(task);
  const LogEntry before = evaluate(network, initial_parameters(network, 1), *tests);
  REQUIRE(result.test_loss.has_value());
  CHECK(*result.test_loss < 0.2 * before.loss);
  CHECK(!result.test_accuracy.has_value());
}

TEST_CASE("micro-batches give the gradient of the batch, in fewer samples at once") {
  const Network network = small_convnet();
  const auto data = load_dataset({.samples = 64}, Split::kTraining, network);
  TrainTask task{network,     *data, nullptr, {.optimizer = "sgd"}, {.learning_rate = 0.1},
                 short_run(4)};
  NamedTensors whole, parts;
  const std::vector<double> one = losses_of(task, &whole);
  task.options.micro_batch = 8;
  const std::vector<double> four = losses_of(task, &parts);
  REQUIRE(one.size() == four.size());
  for (std::size_t i = 0; i < one.size(); ++i)
    CHECK(four[i] == doctest::Approx(one[i]).epsilon(1e-5));
  for (const auto& [name, tensor] : whole) {
    const std::vector<double> a = tensor.to_doubles(), b = parts.at(name).to_doubles();
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) < 1e-4);
  }
}

TEST_CASE("a run that goes on from a checkpoint ends where it would have ended") {
  const Network network = small_regression();
  const auto data = load_dataset({.samples = 100}, Split::kTraining, network);
  const TemporaryFolder folder;
  for (const bool bf16 : {false, true}) {
    for (const char* rule : {"sgd", "momentum", "adamw"}) {
      CAPTURE(rule);
      TrainTask task{network,
                     *data,
                     nullptr,
                     {.optimizer = rule, .weight_decay = 0.01},
                     {.schedule = "cosine", .learning_rate = 0.01, .warmup_steps = 3},
                     short_run(20)};
      task.options.bf16 = bf16;
      NamedTensors straight, resumed;
      const std::vector<double> whole = losses_of(task, &straight);
      task.options.checkpoints = folder.file(std::string(rule) + (bf16 ? "_bf16" : ""));
      task.options.log = folder.file("log.jsonl");
      task.options.checkpoint_every = 7;
      // Killed when two steps have run that no checkpoint has.
      CHECK_THROWS_AS(
          lamina::train::train(task, {},
                               [](const LogEntry& entry) { require(entry.step < 9, "killed"); }),
          Error);
      CHECK(load_loss_log(task.options.log).size() == 9);
      task.options.resume = true;
      const std::vector<double> rest = losses_of(task, &resumed);
      CHECK(rest == std::vector<double>(whole.begin() + 7, whole.end()));
      CHECK(equal(straight, resumed));
      const std::vector<LogEntry> log = load_loss_log(task.options.log);
      REQUIRE(log.size() == 20);
      for (std::size_t i = 0; i < log.size(); ++i) CHECK(log[i].loss == whole[i]);
    }
  }
}

TEST_CASE("frozen weights stay as they are") {
  Network network = small_regression();
  network.frozen = {"w1"};
  const auto data = load_dataset({.samples = 64}, Split::kTraining, network);
  const TrainTask task{network, *data, nullptr, {}, {}, short_run(3)};
  NamedTensors after;
  losses_of(task, &after);
  const NamedTensors before = initial_parameters(network, 1);
  CHECK(after.at("w1").to_doubles() == before.at("w1").to_doubles());
  CHECK(after.at("w2").to_doubles() != before.at("w2").to_doubles());
}

TEST_CASE("a stopped run keeps its last step and says so") {
  const Network network = small_regression();
  const auto data = load_dataset({.samples = 64}, Split::kTraining, network);
  const TemporaryFolder folder;
  TrainTask task{network, *data, nullptr, {}, {}, short_run(50)};
  task.options.checkpoints = folder.file("checkpoints");
  std::stop_source stop;
  const TrainResult result = lamina::train::train(task, stop.get_token(), [&](const LogEntry& e) {
    if (e.step == 5) stop.request_stop();
  });
  CHECK(result.stopped);
  CHECK(result.steps == 5);
  CHECK(load_checkpoint(*latest_checkpoint(task.options.checkpoints)).step == 5);
}

TEST_CASE("a loss that is no number ends the run") {
  const Network network = small_regression();
  const auto data = load_dataset({.samples = 64}, Split::kTraining, network);
  const TrainTask task{network,      *data, nullptr, {.optimizer = "sgd"}, {.learning_rate = 1e30},
                       short_run(50)};
  CHECK_THROWS_WITH_AS(lamina::train::train(task), doctest::Contains("the loss is"), Error);
}

TEST_CASE("options that do not fit together are refused") {
  const Network network = small_regression();
  const auto data = load_dataset({.samples = 64}, Split::kTraining, network);
  TrainTask task{network, *data, nullptr, {}, {}, short_run(1)};
  task.options.micro_batch = 5;
  CHECK_THROWS_WITH_AS(lamina::train::train(task), doctest::Contains("micro_batch 5"), Error);
  task.options.micro_batch = 0;
  task.options.resume = true;
  CHECK_THROWS_WITH_AS(lamina::train::train(task), doctest::Contains("resume"), Error);
}

TEST_CASE("a convolutional step is compiled as a whole") {
  const GradientProgram program(small_convnet(), 16, find_device("cpu"), {.threads = 1});
  CHECK(program.stats().fallback_ops == std::vector<std::string>{});
}
