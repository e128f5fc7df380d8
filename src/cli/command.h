// What a subcommand is. A command is one file that ends in a function like
//
//   Command show_command() { return command<ShowOptions>("show", "prints a model", show); }
//
// and a line in commands.cc. `run` returns the exit status and fills the report that --json writes.
// Exit statuses: docs/cli.md; errors are thrown as lamina::Error.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/options.h"

namespace lamina::cli {

// Exit statuses that are no errors; the others come from exit_status(ErrorCode).
constexpr int kYes = 0;
constexpr int kNo = 1;
constexpr int kInconclusive = 5;

// One use of a command: its flags write into options that it owns.
struct Invocation {
  std::vector<Flag> flags;
  std::function<int(Json& report)> run;
};

struct Command {
  std::string_view name;
  std::string_view help;
  std::function<Invocation()> start;
};

template <class Options>
Command command(std::string_view name, std::string_view help,
                int (*run)(const Options& options, Json& report)) {
  return {name, help, [run] {
            const auto options = std::make_shared<Options>();
            return Invocation{flags(*options),
                              [options, run](Json& report) { return run(*options, report); }};
          }};
}

// The commands, in the order of --help.
std::vector<Command> all_commands();

}  // namespace lamina::cli
