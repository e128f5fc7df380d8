// The program `lamina`.
#include "cli/command_line.h"

int main(int argc, char** argv) { return lamina::cli::run_program(argc, argv); }
