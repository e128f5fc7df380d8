// Ranks that are killed in the middle of training, cannot be started again, or cannot write: the
// run goes on from its last checkpoint, and the losses are those of a run that nobody disturbed.
#include <doctest/doctest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/temporary_folder.h"
#include "lamina/error.h"
#include "lamina/pipeline.h"
#include "lamina/train.h"

using namespace lamina;

namespace {

constexpr int kSteps = 60;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The processes of ranks that have this folder among their arguments, by rank.
std::map<int, pid_t> rank_processes(const std::string& folder) {
  constexpr std::string_view kRank = "OMPI_COMM_WORLD_RANK=";
  std::map<int, pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string environment = text_of(entry.path() / "environ");
    const std::size_t at = environment.find(kRank);
    if (at == std::string::npos) continue;
    if (text_of(entry.path() / "cmdline").find(folder) == std::string::npos) continue;
    found[std::stoi(environment.substr(at + kRank.size()))] = std::stoi(name);
  }
  return found;
}

void await_stop(pid_t process) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  const std::filesystem::path status = "/proc/" + std::to_string(process) + "/status";
  while (text_of(status).find("State:\tT") == std::string::npos) {
    REQUIRE(std::chrono::steady_clock::now() < until);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

struct Run {
  TemporaryFolder folder;
  std::string log = folder.file("log.jsonl");
  std::string report = folder.file("report.json");
  std::string checkpoints = folder.file("checkpoints");

  pid_t start(const std::vector<std::string>& more, int steps = kSteps) const {
    const char* program = std::getenv("LAMINA_PROGRAM");
    REQUIRE(program != nullptr);
    std::vector<std::string> words = {program,
                                      "train",
                                      "mmt",
                                      "--small",
                                      "--steps",
                                      std::to_string(steps),
                                      "--batch",
                                      "8",
                                      "--micro-batch",
                                      "2",
                                      "--samples",
                                      "32",
                                      "--checkpoint-every",
                                      "4",
                                      "--planner",
                                      "chain",
                                      "--checkpoints",
                                      checkpoints,
                                      "--log",
                                      log,
                                      "--json",
                                      report};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    pid_t process = -1;
    REQUIRE(posix_spawn(&process, program, nullptr, nullptr, pointers.data(), environ) == 0);
    return process;
  }

  static int wait(pid_t process) {
    int status = 0;
    while (waitpid(process, &status, 0) < 0) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  std::vector<double> losses() const {
    std::vector<double> result;
    for (const train::LogEntry& entry : train::load_loss_log(log)) {
      if (!entry.test) result.push_back(entry.loss);
    }
    return result;
  }

  int steps_so_far() const {
    if (!std::filesystem::exists(log)) return 0;
    return static_cast<int>(losses().size());
  }
  // Returns soon after so many steps.
  void await(int steps) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (steps_so_far() < steps) {
      REQUIRE(std::chrono::steady_clock::now() < until);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  Json::Array attempts() const { return Json::parse(read_file(report)).at("attempts").array(); }
};

// The ranks of a run that has begun: looking for them takes longer than many steps, and so comes
// first. Empty where the run was over before.
std::map<int, pid_t> started_ranks(const Run& run, std::size_t ranks) {
  run.await(1);
  std::map<int, pid_t> found = rank_processes(run.folder.path());
  if (found.size() != ranks) found.clear();
  return found;
}

// A run of two ranks of which one is killed after `step` steps. False: it was over before.
bool is_killed(const Run& run, int step, int rank) {
  const pid_t process = run.start({"--ranks", "2", "--restarts", "2"});
  const std::map<int, pid_t> ranks = started_ranks(run, 2);
  run.await(step);
  if (!ranks.empty()) ::kill(ranks.at(rank), SIGKILL);
  CHECK(Run::wait(process) == 0);
  return run.attempts().size() > 1;
}

void check_killed_runs(int runs, std::uint64_t seed) {
  const Run whole;
  REQUIRE(Run::wait(whole.start({"--devices", "2"})) == 0);
  const std::vector<double> want = whole.losses();
  REQUIRE(want.size() == kSteps);
  Rng rng(seed);
  int killed = 0;
  for (int i = 0; i < 2 * runs && killed < runs; ++i) {
    const int step = static_cast<int>(rng.integer(1, kSteps - 20));
    CAPTURE(step);
    const Run run;
    if (!is_killed(run, step, static_cast<int>(rng.integer(0, 1)))) continue;
    ++killed;
    CHECK(run.losses() == want);
    CHECK(run.attempts().size() == 2);
    CHECK(run.attempts()[0].at("exit_status").integer() != 0);
    CHECK(Json::parse(read_file(run.report)).at("steps").integer() == kSteps);
  }
  CHECK(killed == runs);
}

}  // namespace

TEST_CASE("a killed rank costs the steps since the last checkpoint") { check_killed_runs(2, 1); }

TEST_SUITE("slow") {
  TEST_CASE("twenty killed ranks") { check_killed_runs(20, 2); }
}

TEST_CASE("a run goes on with another number of ranks") {
  const Run whole;
  REQUIRE(Run::wait(whole.start({"--devices", "2"})) == 0);
  const Run run;
  REQUIRE(Run::wait(run.start({"--devices", "2"}, 20)) == 0);
  REQUIRE(Run::wait(run.start({"--ranks", "3", "--resume"})) == 0);
  const std::vector<double> want = whole.losses(), got = run.losses();
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    CHECK(got[i] == doctest::Approx(want[i]).epsilon(1e-4));
  }
}

TEST_CASE("what cannot be started again is planned around") {
  const Run run;
  // Starts at most as many ranks as the file says, as launchers do when nodes are gone.
  const std::string most = run.folder.file("most"), launcher = run.folder.file("launcher.sh");
  std::ofstream(most) << 4;
  std::ofstream(launcher) << "[ \"$2\" -le \"$(cat " << most << ")\" ] || exit 1\n"
                          << "exec mpirun --oversubscribe --allow-run-as-root \"$@\"\n";
  // The machines that ranks have anyway.
  const std::string machines = run.folder.file("machines.json");
  write_file_atomically(machines, to_json(pipeline::uniform_cluster(4, 16e9, {2e9, 2e-5}, 4)));
  const pid_t process = run.start(
      {"--ranks", "4", "--restarts", "3", "--launcher", "sh " + launcher, "--cluster", machines});
  const std::map<int, pid_t> ranks = started_ranks(run, 4);
  REQUIRE(ranks.size() == 4);
  run.await(10);
  std::ofstream(most) << 2;
  ::kill(ranks.at(2), SIGKILL);
  REQUIRE(Run::wait(process) == 0);
  const Json report = Json::parse(read_file(run.report));
  const Json::Array& attempts = report.at("attempts").array();
  std::vector<std::int64_t> started;
  for (const Json& attempt : attempts) started.push_back(attempt.at("ranks").integer());
  CHECK(started == std::vector<std::int64_t>{4, 4, 3, 2});
  CHECK(attempts.front().at("checkpoint").text().empty());
  CHECK(report.at("ranks").array().size() == 2);

  // The same as four ranks until the checkpoint and two from there.
  const std::string checkpoint = attempts.back().at("checkpoint").text();
  const auto steps = std::stoi(checkpoint.substr(checkpoint.rfind('_') + 1));
  REQUIRE(steps >= 8);
  const Run planned;
  REQUIRE(Run::wait(planned.start({"--devices", "4"}, steps)) == 0);
  REQUIRE(Run::wait(planned.start({"--devices", "2", "--resume"})) == 0);
  CHECK(run.losses() == planned.losses());
}

TEST_CASE("ranks that cannot write a checkpoint go on from the one before") {
  const Run whole;
  REQUIRE(Run::wait(whole.start({"--devices", "2"})) == 0);
  const Run run;
  const pid_t process = run.start({"--ranks", "2", "--restarts", "1"});
  const std::map<int, pid_t> ranks = started_ranks(run, 2);
  REQUIRE(ranks.size() == 2);
  const pid_t writer = ranks.at(0);
  // Between checkpoints, which come right after every fourth step.
  int step = 6;
  for (run.await(step);; run.await(step + 1)) {
    REQUIRE(::kill(writer, SIGSTOP) == 0);
    await_stop(writer);
    step = run.steps_so_far();
    if (step % 4 != 0) break;
    REQUIRE(::kill(writer, SIGCONT) == 0);
  }
  const std::optional<std::string> before = train::latest_checkpoint(run.checkpoints);
  REQUIRE(before.has_value());
  // The limit of a file's size makes writes fail as a full disk does. The log is shorter.
  const struct rlimit tight { 1 << 16, RLIM_INFINITY };
  REQUIRE(::prlimit(writer, RLIMIT_FSIZE, &tight, nullptr) == 0);
  REQUIRE(::kill(writer, SIGCONT) == 0);
  CHECK(Run::wait(process) == 0);
  CHECK(run.losses() == whole.losses());
  const Json::Array attempts = run.attempts();
  REQUIRE(attempts.size() == 2);
  CHECK(attempts[0].at("exit_status").integer() == exit_status(ErrorCode::kIo));
  CHECK(attempts[1].at("checkpoint").text() == *before);
}
