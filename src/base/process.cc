// Processes by posix_spawn; their output goes through a pipe.
#include "base/process.h"

#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "base/check.h"

namespace lamina {
namespace {

std::string path_variable() {
  const char* path = std::getenv("PATH");
  return path == nullptr ? "" : path;
}

std::string read_all(int file) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = read(file, buffer.data(), buffer.size());
    if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
    if (n == 0 || (n < 0 && errno != EINTR)) return text;
  }
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  return arguments;
}

// Waits for the end of a process.
int status_of(pid_t process, const std::string& name) {
  int status = 0;
  while (waitpid(process, &status, 0) < 0) {
    check(errno == EINTR, "waiting for {}: {}", name, std::strerror(errno));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

ProcessResult run_process(const std::vector<std::string>& words) {
  require(!words.empty(), "run_process: no program");
  std::vector<std::string> copies = words;
  const std::vector<char*> arguments = pointers_to(copies);
  std::string path = "PATH=" + path_variable(), locale = "LC_ALL=C";
  std::array<char*, 3> environment = {path.data(), locale.data(), nullptr};
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) fail(ErrorCode::kIo, "pipe: {}", std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  pid_t process = -1;
  const int error = posix_spawn(&process, copies[0].c_str(), &actions, nullptr, arguments.data(),
                                environment.data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  ProcessResult result;
  if (error == 0) result.output = read_all(ends[0]);
  close(ends[0]);
  if (error != 0) fail(ErrorCode::kIo, "cannot run {}: {}", words[0], std::strerror(error));
  result.status = status_of(process, words[0]);
  return result;
}

int run_attached(const std::vector<std::string>& words) {
  require(!words.empty(), "run_attached: no program");
  std::vector<std::string> copies = words;
  const std::vector<char*> arguments = pointers_to(copies);
  pid_t process = -1;
  const int error =
      posix_spawn(&process, copies[0].c_str(), nullptr, nullptr, arguments.data(), environ);
  if (error != 0) fail(ErrorCode::kIo, "cannot run {}: {}", words[0], std::strerror(error));
  return status_of(process, words[0]);
}

std::optional<std::string> find_in_path(const std::string& name) {
  std::istringstream folders(path_variable());
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = folder + "/" + name;
    struct stat status {};
    if (folder.empty() || access(candidate.c_str(), X_OK) != 0) continue;
    if (stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode)) return candidate;
  }
  return std::nullopt;
}

}  // namespace lamina
