// Stored programs of Mirage against a reference (docs/cli.md, "lamina check PROGRAMS.json MODEL").
#include <fmt/core.h>

#include <cstdio>

#include "base/check.h"
#include "cli/check.h"
#include "lamina/io.h"

namespace lamina::cli {
namespace {

// The float type of the reference: rounding plays no role, so the programs are read in it.
std::optional<DType> float_type(const Graph& reference) {
  for (const Input& input : reference.inputs) {
    const DType dtype = reference.type({input.node, 0}).dtype;
    if (traits(dtype).is_float) return dtype;
  }
  return std::nullopt;
}

// What cannot be read or compared is a verdict on this program; the others go on.
Verdict check_program(const StoredProgram& program, const Graph& reference,
                      const VerifyOptions& options) {
  Verdict verdict;
  if (program.refusal) {
    verdict.outcome = Outcome::kUnsupported;
    verdict.reason = program.refusal->what();
    return verdict;
  }
  try {
    return verify(program.graph, reference, options);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    verdict.outcome = Outcome::kDifferent;
    verdict.reason = error.what();
    return verdict;
  }
}

}  // namespace

int check_programs(const std::string& path, const Graph& reference, const VerifyOptions& options,
                   Json& report) {
  const std::vector<StoredProgram> programs = load_programs(path, float_type(reference));
  VerifyOptions by_order = options;
  by_order.match_names = false;  // Mirage stores no names.
  if (programs.size() == 1) {
    if (programs[0].refusal) throw Error(*programs[0].refusal);
    return report_verdict(verify(programs[0].graph, reference, by_order), report);
  }
  Tally tally;
  report["version"] = 1;
  report["programs"] = Json::Array{};
  for (std::size_t k = 0; k < programs.size(); ++k) {
    const Verdict verdict = check_program(programs[k], reference, by_order);
    tally.add(verdict.outcome);
    fmt::print("program {}: {} ({})\n", k, to_string(verdict.outcome), verdict.reason);
    std::fflush(stdout);
    Json entry = Json::parse(verdict.to_json());
    entry["program"] = static_cast<std::int64_t>(k);
    report["programs"].push_back(std::move(entry));
  }
  fmt::print("equivalent {}, different {}, unsupported {}{}\n", tally.equivalent, tally.different,
             tally.unsupported,
             tally.inconclusive > 0 ? fmt::format(", inconclusive {}", tally.inconclusive) : "");
  tally.describe(report);
  return tally.status();
}

}  // namespace lamina::cli
