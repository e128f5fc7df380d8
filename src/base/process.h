// Running other programs.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace lamina {

struct ProcessResult {
  int status = 0;      // of the program; 128 + the signal that ended it
  std::string output;  // standard output and error together
};

// Runs words[0] (a path) with the other words as arguments, in an environment of PATH alone, and
// waits for it. Throws kIo when it cannot be started.
ProcessResult run_process(const std::vector<std::string>& words);

// The same with this process's environment and its input and output, and only the status.
int run_attached(const std::vector<std::string>& words);

// The first executable file called `name` in PATH.
std::optional<std::string> find_in_path(const std::string& name);

}  // namespace lamina
