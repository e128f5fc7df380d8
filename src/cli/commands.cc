// The list of commands: one line per file of this folder.
#include "cli/command.h"

namespace lamina::cli {

Command bench_command();
Command check_command();
Command convert_command();
Command devices_command();
Command identity_command();
Command optimize_command();
Command plan_command();
Command run_command();
Command show_command();
Command simulate_command();
Command train_command();

std::vector<Command> all_commands() {
  return {optimize_command(), check_command(),    identity_command(), run_command(),
          show_command(),     convert_command(),  bench_command(),    devices_command(),
          plan_command(),     simulate_command(), train_command()};
}

}  // namespace lamina::cli
