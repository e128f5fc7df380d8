// Flags to options, and the numerical half of `lamina check`.
#include "cli/numeric_options.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/check.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/verdict_status.h"

namespace lamina::cli {
namespace {

std::vector<DType> parse_dtypes(const std::string& text) {
  std::vector<DType> dtypes;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.size(), text.find(',', start));
    dtypes.push_back(parse_dtype(text.substr(start, end - start)));
    start = end + 1;
  }
  return dtypes;
}

ValueRange parse_range(const std::string& text) {
  ValueRange range;
  const std::size_t colon = text.find(':');
  require(colon != std::string::npos, "--range: expected LOW:HIGH, got '{}'", text);
  set_field(range.low, text.substr(0, colon));
  set_field(range.high, text.substr(colon + 1));
  return range;
}

int status(NumericOutcome outcome) {
  switch (outcome) {
    case NumericOutcome::kFine:
      return kYes;
    case NumericOutcome::kInconclusive:
      return kInconclusive;
    case NumericOutcome::kWorse:
    case NumericOutcome::kOverflows:
      return kNo;
  }
  return kNo;
}

}  // namespace

std::optional<NumericOptions> numeric_options(const NumericFlags& flags) {
  if (flags.numeric.empty()) {
    require(flags.range.empty(), "--range is for --numeric");
    return std::nullopt;
  }
  NumericOptions options;
  options.dtypes = parse_dtypes(flags.numeric);
  for (const std::string& text : flags.range) {
    const auto [name, range] = split_assignment(text, "--range");
    options.ranges[name] = parse_range(range);
  }
  options.seed = static_cast<std::uint64_t>(flags.numeric_seed);
  options.budget = flags.numeric_budget;
  options.match_names = false;  // the check of the functions decides about names
  return options;
}

int check_numeric_too(const NumericOptions& options, const Graph& reference, const Graph& candidate,
                      Outcome outcome, Json& report) {
  if (outcome == Outcome::kDifferent) {
    fmt::print("numeric: not measured, the programs differ\n");
    report["numeric"] = Json();
    return exit_status(outcome);
  }
  const NumericReport numeric = check_numeric(reference, candidate, options);
  fmt::print("{}\n", numeric.to_text());
  report["numeric"] = Json::parse(numeric.to_json());
  return outcome == Outcome::kEquivalent ? status(numeric.outcome) : exit_status(outcome);
}

}  // namespace lamina::cli
