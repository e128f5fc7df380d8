// A folder of programs against a model: the program of all sizes and that of every class.
#include <fmt/core.h>

#include <cstdio>

#include "cli/check.h"
#include "lamina/optimize.h"

namespace lamina::cli {
namespace {

// The model as far as the class goes: verify() narrows ranges itself, but what the program has
// bound must be bound in both.
Graph bind_like(const Graph& model, const std::vector<SizeRange>& sizes) {
  Sizes fixed;
  for (const SizeRange& range : sizes) {
    if (range.min == range.max) fixed[range.name] = range.min;
  }
  return bind_sizes(model, fixed);
}

}  // namespace

int check_folder(const ProgramFolder& folder, const Graph& model, const VerifyOptions& options,
                 Json& report) {
  Tally tally;
  report["version"] = 1;
  report["programs"] = Json::Array{};
  const auto add = [&](const std::vector<SizeRange>& sizes, const Verdict& verdict) {
    tally.add(verdict.outcome);
    fmt::print("{}: {} ({})\n", to_string(sizes), to_string(verdict.outcome), verdict.reason);
    std::fflush(stdout);
    Json entry = Json::parse(verdict.to_json());
    for (const SizeRange& range : sizes) {
      entry["sizes"][range.name] = Json::Array{Json(range.min), Json(range.max)};
    }
    report["programs"].push_back(std::move(entry));
  };
  add(folder.graph().sizes, verify(model, folder.graph(), options));
  for (std::size_t n = 0; n < folder.classes(); ++n) {
    const std::vector<SizeRange>& sizes = folder.sizes(n);
    add(sizes, verify(bind_like(model, sizes), folder.load_class(n), options));
  }
  tally.describe(report);
  return tally.status();
}

}  // namespace lamina::cli
