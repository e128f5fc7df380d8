// Runs the program `lamina` in a folder that goes away with the test.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/temporary_folder.h"

namespace lamina::test {

inline std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_all(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

// A folder of its own for each test case.
class Sandbox {
 public:
  std::string path(const std::string& name) const { return folder_.file(name); }
  std::size_t count(const std::string& folder) const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path(folder)),
                                                  std::filesystem::directory_iterator()));
  }

  // `$` in `arguments` stands for the folder. `before` is shell text that comes first.
  Outcome lamina(std::string arguments, const std::string& before = "") const {
    for (std::size_t at; (at = arguments.find('$')) != std::string::npos;) {
      arguments.replace(at, 1, folder_.path());
    }
    const char* program = std::getenv("LAMINA_PROGRAM");
    REQUIRE(program != nullptr);
    const std::string command = before + std::string(program) + " " + arguments;
    const std::string redirected = "{ " + command + "; } >" + path("out") + " 2>" + path("err");
    Outcome outcome;
    const int status = std::system(redirected.c_str());
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    outcome.out = read_all(path("out"));
    outcome.err = read_all(path("err"));
    return outcome;
  }

  // Expects a failure with this status and one line that contains `words`.
  void refuses(const std::string& arguments, int status, const std::string& words) const {
    CAPTURE(arguments);
    const Outcome outcome = lamina(arguments);
    CHECK(outcome.status == status);
    CHECK_MESSAGE(outcome.err.find(words) != std::string::npos, outcome.err);
    CHECK(outcome.err.starts_with("lamina: error: "));
    CHECK(outcome.err.find('\n') == outcome.err.size() - 1);
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace lamina::test
