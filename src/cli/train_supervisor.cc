// Keeps the ranks of a training run going: starts them with mpirun, and when they fail, again, from
// the last checkpoint. A run that fails twice without a new checkpoint in between goes on with one
// rank fewer: what is broken stays broken. The plan is then made anew.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/check.h"
#include "base/files.h"
#include "base/process.h"
#include "base/temporary_folder.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/train_options.h"

namespace lamina::cli {
namespace {

// The flags that give these options: those that are not the defaults.
std::vector<std::string> arguments_of(const TrainCommandOptions& options) {
  std::vector<std::string> words = {options.input};
  const Json given = to_json(options), defaults = to_json(TrainCommandOptions());
  for (const auto& [name, value] : given.object()) {
    if (name == "INPUT" || value == defaults.at(name)) continue;
    std::string flag = "--" + name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    const auto add = [&](const Json& each) {
      words.push_back(flag);
      if (const auto* text = std::get_if<std::string>(&each.value())) {
        words.push_back(*text);
      } else if (!std::holds_alternative<bool>(each.value())) {
        std::string number = each.dump();
        number.erase(number.find_last_not_of("\n") + 1);
        words.push_back(number);
      }
    };
    if (const auto* list = std::get_if<Json::Array>(&value.value())) {
      for (const Json& each : *list) add(each);
    } else {
      add(value);
    }
  }
  return words;
}

std::vector<std::string> launcher_words(const TrainCommandOptions& options, int ranks) {
  std::vector<std::string> words;
  std::istringstream text(options.launcher);
  for (std::string word; text >> word;) words.push_back(word);
  require(!words.empty(), "--launcher is empty");
  const std::optional<std::string> program = find_in_path(words[0]);
  if (!program && !std::filesystem::exists(words[0])) {
    fail(ErrorCode::kNotFound, "there is no '{}' to start ranks with", words[0]);
  }
  if (program) words[0] = *program;
  if (options.launcher == TrainCommandOptions().launcher) {
    if (ranks > usable_cores()) words.push_back("--oversubscribe");
    if (geteuid() == 0) words.push_back("--allow-run-as-root");
  }
  words.insert(words.end(), {"-np", std::to_string(ranks)});
  return words;
}

class Supervisor {
 public:
  Supervisor(const TrainCommandOptions& options, Json& report)
      : options_(options), report_(report), ranks_(options.ranks) {
    if (!pipeline::has_mpi()) {
      fail(ErrorCode::kUnsupported, "Lamina was built without MPI; --devices trains on threads");
    }
    require(options.restarts >= 0, "--restarts: expected at least 0, got {}", options.restarts);
    require(options.restarts == 0 || !options.train.checkpoints.empty(),
            "--restarts goes on from checkpoints: give --checkpoints FOLDER");
    report_["attempts"] = Json::Array();
  }

  int run() {
    bool resume = options_.train.resume;
    std::string last = checkpoint();
    for (int failures = 0;; ++failures) {
      const int status = attempt(resume);
      if (status == kYes) return merge_report();
      const bool is_refusal = status == exit_status(ErrorCode::kInvalidArgument) ||
                              status == exit_status(ErrorCode::kNotFound) ||
                              status == exit_status(ErrorCode::kUnsupported) ||
                              status == exit_status(ErrorCode::kExhausted);
      if (is_refusal || failures == options_.restarts) return status;
      const std::string now = checkpoint();
      const bool progressed = now != last;
      if (!progressed && failures > 0 && ranks_ > 1) --ranks_;
      last = now;
      resume = resume || !now.empty();
      fmt::print(stderr, "lamina: the ranks ended with status {}; going on with {} from {}\n",
                 status, ranks_, now.empty() ? "the beginning" : now);
    }
  }

 private:
  std::string checkpoint() const {
    if (options_.train.checkpoints.empty()) return {};
    if (!std::filesystem::exists(options_.train.checkpoints)) return {};
    return train::latest_checkpoint(options_.train.checkpoints).value_or("");
  }

  // Launchers fill the machines in the order of the list: those at its end are left out.
  std::string first_machines() const {
    pipeline::Cluster cluster = pipeline::load_cluster(options_.pipeline.cluster);
    cluster.devices.resize(static_cast<std::size_t>(ranks_));
    std::string path = folder_.file("cluster.json");
    write_file_atomically(path, to_json(cluster));
    return path;
  }

  int attempt(bool resume) {
    TrainCommandOptions own = options_;
    own.ranks = own.restarts = 0;
    own.launcher = TrainCommandOptions().launcher;
    own.train.resume = resume;
    if (ranks_ < options_.ranks) {
      own.pipeline.plan.clear();  // it was for more ranks
      if (!own.pipeline.cluster.empty()) own.pipeline.cluster = first_machines();
    }
    std::vector<std::string> words = launcher_words(options_, ranks_);
    words.push_back(std::filesystem::read_symlink("/proc/self/exe").string());
    words.emplace_back("train");
    for (std::string& word : arguments_of(own)) words.push_back(std::move(word));
    words.insert(words.end(), {"--json", folder_.file("report.json")});
    Json row;
    row["ranks"] = ranks_;
    row["checkpoint"] = resume ? checkpoint() : "";
    const int status = run_attached(words);
    row["exit_status"] = status;
    report_["attempts"].push_back(std::move(row));
    return status;
  }

  // What rank 0 reported.
  int merge_report() {
    const Json report = Json::parse(read_file(folder_.file("report.json")));
    for (const auto& [key, value] : report.object()) {
      if (key != "command" && key != "exit_status") report_[key] = value;
    }
    return kYes;
  }

  const TrainCommandOptions& options_;
  Json& report_;
  int ranks_;
  TemporaryFolder folder_;
};

}  // namespace

int supervise_ranks(const TrainCommandOptions& options, Json& report) {
  return Supervisor(options, report).run();
}

}  // namespace lamina::cli
