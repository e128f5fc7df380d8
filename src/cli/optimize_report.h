// What became of optimised models, as JSON and as tables.
#pragma once

#include <span>
#include <string>

#include "base/json.h"
#include "lamina/optimize.h"

namespace lamina::cli {

struct ProgramResult {
  std::string name;
  std::string model;  // as the command line names it
  OptimizeResult result;
};

// An entry of `programs` in the report (docs/cli.md).
Json describe(const ProgramResult& program);

// The lines before the tables: version, machine.
std::string report_head(const Json& report);
// One line per model: time before, time after, ratio, verdict.
std::string program_table(std::span<const ProgramResult> programs);
// One line per class of sizes: the program of all sizes against its own; empty without classes.
std::string class_table(std::span<const ProgramResult> programs);
// One line per distinct subprogram of the models.
std::string region_table(std::span<const ProgramResult> programs);

}  // namespace lamina::cli
