// Checkpoints and logs: what is written comes back, what is damaged is refused, what fails leaves
// the old file.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>

#include "base/files.h"
#include "base/temporary_folder.h"
#include "lamina/error.h"
#include "lamina/train.h"

using namespace lamina;
using namespace lamina::train;

namespace {

Checkpoint example(std::int64_t step) {
  Checkpoint checkpoint{.network = "net", .step = step, .cursor = 64 * step};
  checkpoint.seed = 0xfedcba9876543210U;
  checkpoint.parameters["a.weight"] =
      Tensor::from_doubles(DType::kF32, {2, 2}, std::vector<double>{1, 2, 3, 0.1});
  checkpoint.parameters["b"] = Tensor::from_doubles(DType::kBF16, {1}, std::vector<double>{0.5});
  checkpoint.optimizer["a.weight/mean"] = Tensor(DType::kF32, {2, 2});
  checkpoint.notes["plan"] = "\"quoted\" and {braces}";
  return checkpoint;
}

std::size_t files_in(const std::string& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a checkpoint comes back whole, and only the latest are kept") {
  const TemporaryFolder folder;
  CHECK(!latest_checkpoint(folder.path()));
  CHECK(!latest_checkpoint(folder.file("absent")));
  for (const std::int64_t step : {5, 100, 20, 7}) save_checkpoint(folder.path(), example(step), 2);
  CHECK(files_in(folder.path()) == 2);
  const auto path = latest_checkpoint(folder.path());
  REQUIRE(path.has_value());
  const Checkpoint read = load_checkpoint(*path), wrote = example(100);
  CHECK(read.network == "net");
  CHECK(read.step == 100);
  CHECK(read.cursor == 6400);
  CHECK(read.seed == wrote.seed);
  CHECK(read.notes == wrote.notes);
  REQUIRE(read.parameters.size() == 2);
  CHECK(read.parameters.at("a.weight").to_doubles() ==
        wrote.parameters.at("a.weight").to_doubles());
  CHECK(read.parameters.at("b").dtype() == DType::kBF16);
  CHECK(read.optimizer.size() == 1);
}

TEST_CASE("damaged and foreign files are refused") {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), example(1), 2);
  const std::string path = *latest_checkpoint(folder.path());
  const std::string bytes = read_file(path);
  for (std::size_t length = 0; length < bytes.size(); length += 37) {
    write_file_atomically(path, bytes.substr(0, length));
    CHECK_THROWS_AS(load_checkpoint(path), Error);
  }
  std::string flipped = bytes;
  flipped[bytes.size() - 3] = static_cast<char>(flipped[bytes.size() - 3] ^ 1);
  write_file_atomically(path, flipped);
  CHECK_THROWS_WITH_AS(load_checkpoint(path), doctest::Contains("damaged"), Error);
  save_safetensors(path, {{"x", Tensor(DType::kF32, {1})}});
  CHECK_THROWS_WITH_AS(load_checkpoint(path), doctest::Contains("no checkpoint"), Error);
  save_safetensors(path, {{"x", Tensor(DType::kF32, {1})}},
                   {{"lamina_checkpoint", R"({"version": 9})"}});
  CHECK_THROWS_AS(load_checkpoint(path), Error);
  CHECK_THROWS_AS(load_checkpoint(folder.file("absent")), Error);
}

TEST_CASE("a disk that is full while saving keeps the old checkpoint") {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), example(1), 1);
  Checkpoint large = example(2);
  large.parameters["large"] = Tensor(DType::kF32, {1 << 20});
  // The limit of a file's size makes writes fail as a full disk does.
  struct rlimit before {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit tight { 1 << 16, before.rlim_max };
  ::setrlimit(RLIMIT_FSIZE, &tight);
  bool refused = false;
  try {
    save_checkpoint(folder.path(), large, 1);
  } catch (const Error& error) {
    refused = error.code() == ErrorCode::kIo;
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(refused);
  CHECK(files_in(folder.path()) == 1);
  CHECK(load_checkpoint(*latest_checkpoint(folder.path())).step == 1);
}

TEST_CASE("parameters are restored in place, and only where they fit") {
  NamedTensors parameters = {{"a.weight", Tensor(DType::kF32, {2, 2})},
                             {"b", Tensor(DType::kBF16, {1})}};
  const Tensor shared = parameters.at("a.weight");
  restore_parameters(example(1), parameters);
  CHECK(shared.to_doubles()[1] == 2.0);
  parameters["c"] = Tensor(DType::kF32, {1});
  CHECK_THROWS_WITH_AS(restore_parameters(example(1), parameters), doctest::Contains("'c'"), Error);
  parameters.erase("c");
  parameters.erase("b");
  CHECK_THROWS_WITH_AS(restore_parameters(example(1), parameters), doctest::Contains("'b'"), Error);
  parameters["b"] = Tensor(DType::kF32, {1});
  CHECK_THROWS_WITH_AS(restore_parameters(example(1), parameters), doctest::Contains("bf16"),
                       Error);
}

TEST_CASE("a log is cut to the step from which it goes on, and a line cut short is dropped") {
  const TemporaryFolder folder;
  const std::string path = folder.file("log.jsonl");
  {
    LossLog log(path, 0);
    for (std::int64_t s = 1; s <= 6; ++s) {
      log.append({.step = s,
                  .loss = 1.0 / 3.0 / static_cast<double>(s),
                  .learning_rate = 1e-3,
                  .gradient_norm = 2.5,
                  .seconds = 0.25,
                  .samples = 64 * s});
    }
    log.append({.step = 6, .loss = 0.5, .samples = 384, .test = true, .accuracy = 0.875});
  }
  const std::string whole = read_file(path);
  write_file_atomically(path, whole + R"({"step": 7, "lo)");
  std::vector<LogEntry> entries = load_loss_log(path);
  REQUIRE(entries.size() == 7);
  CHECK(entries[2].loss == 1.0 / 9.0);
  CHECK(entries[6].test);
  CHECK(entries[6].accuracy == 0.875);
  { LossLog(path, 4).append({.step = 5, .loss = 0.1}); }
  entries = load_loss_log(path);
  REQUIRE(entries.size() == 5);
  CHECK(entries[3].gradient_norm == 2.5);
  CHECK(entries[4].loss == 0.1);
  write_file_atomically(path, whole + "{\"step\": 7}\n");
  CHECK_THROWS_WITH_AS(load_loss_log(path), doctest::Contains("line 8"), Error);
  { const LossLog anew(path, 0); }
  CHECK(load_loss_log(path).empty());
}

TEST_CASE("a loss curve shows training, tests and accuracy") {
  std::vector<LogEntry> entries;
  for (std::int64_t s = 1; s <= 5000; ++s) {
    entries.push_back({.step = s, .loss = 2.0 / static_cast<double>(s)});
  }
  entries.push_back({.step = 5000, .loss = 0.25, .test = true, .accuracy = 0.9});
  const std::string svg = loss_svg(entries);
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(svg.find("test accuracy, last 90.00 %") != std::string::npos);
  CHECK(svg.size() < 200'000);
  CHECK(loss_svg({}).find("</svg>") != std::string::npos);
}
