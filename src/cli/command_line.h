// From arguments to an exit status.
#pragma once

namespace lamina::cli {

// Runs the command that the arguments name. Results go to standard output; every failure is one
// line on standard error. Never throws.
int run_program(int argc, const char* const* argv);

}  // namespace lamina::cli
