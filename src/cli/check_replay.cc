// lamina check A B --replay REPORT: is a report of a check true?
#include <fmt/core.h>

#include "base/files.h"
#include "cli/check.h"
#include "cli/command.h"
#include "lamina/replay.h"

namespace lamina::cli {

int check_replay(const std::string& path, const Graph& a, const Graph& b,
                 const VerifyOptions& options, Json& report) {
  const Replay result = replay(a, b, read_file(path), options);
  const bool agrees = result.discrepancy.empty();
  report["version"] = 1;
  report["replayed"] = result.passes;
  report["discrepancy"] = agrees ? Json() : Json(result.discrepancy);
  if (agrees) {
    fmt::print("replayed {} {}: all values agree with the report\n", result.passes,
               result.passes == 1 ? "pass" : "passes");
  } else {
    fmt::print("discrepancy: {}\n", result.discrepancy);
  }
  return agrees ? kYes : kNo;
}

}  // namespace lamina::cli
