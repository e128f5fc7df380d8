// lamina identity: are two expressions the same function?
#include "lamina/identity.h"

#include <fmt/core.h>

#include <charconv>
#include <filesystem>
#include <map>
#include <optional>

#include "base/check.h"
#include "base/files.h"
#include "cli/command.h"
#include "cli/verdict_status.h"
#include "cli/witness_files.h"
#include "lamina/error.h"

namespace lamina::cli {
namespace {

struct IdentityOptions {
  std::vector<std::string> expressions;
  std::vector<std::string> range;
  std::vector<std::string> positive;
  std::string witness;
  VerifyOptions verify;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("EXPRESSION", self.expressions,
          "two expressions; or one text \"LEFT = RIGHT ; CONDITIONS\"; or a file of identities or "
          "FPCores");
    visit("range", self.range, "NAME=LOW:HIGH: the values of a variable; a bound may be absent");
    visit("positive", self.positive, "NAME: a variable whose values are above 0");
    visit("witness", self.witness,
          "folder for a point at which the sides differ, as files (one identity only)");
    visit("bits", self.verify.bits, "error bound to prove, -log2; 0: one pass without a bound");
    visit("cells", self.verify.cells,
          "accept agreement on so many cells of random points where all are too many");
  }
};

// Reads the number, or gives `otherwise` for an empty text.
double bound(std::string_view text, double otherwise, std::string_view range) {
  if (text.empty()) return otherwise;
  double value = 0.0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  require(error == std::errc() && stop == end, "--range: '{}' in '{}' is no number", text, range);
  return value;
}

void assume_range(Identity& identity, std::string_view range) {
  const std::size_t equals = range.find('=');
  const std::size_t colon = range.find(':', std::min(equals, range.size()));
  require(equals > 0 && colon != std::string_view::npos,
          "--range: expected NAME=LOW:HIGH, got '{}'", range);
  InputFacts facts;
  facts.low = bound(range.substr(equals + 1, colon - equals - 1), facts.low, range);
  facts.high = bound(range.substr(colon + 1), facts.high, range);
  assume(identity, range.substr(0, equals), facts);
}

Json facts_report(const Identity& identity) {
  Json list = Json::Array{};
  for (const auto& [name, facts] : identity.facts) {
    Json fact;
    fact["name"] = name;
    fact["low"] = facts.low;
    fact["high"] = facts.high;
    list.push_back(std::move(fact));
  }
  return list;
}

int check_one(const Identity& identity, const IdentityOptions& options, Json& report) {
  const Verdict verdict = verify(identity, options.verify);
  fmt::print("{}\n", verdict.to_text());
  report = Json::parse(verdict.to_json());
  report["command"] = "identity";
  report["identity"] = identity.text;
  report["facts"] = facts_report(identity);
  if (!options.witness.empty()) {
    const bool found = verdict.witness.has_value();
    const Graph left = found ? to_graph(identity.left) : Graph{};
    const Graph right = found ? to_graph(identity.right) : Graph{};
    write_witness(options.witness, {left, {}, {}}, {right, {}, {}}, verdict, report);
  }
  return exit_status(verdict.outcome);
}

// The first that applies: different, inconclusive, unsupported, all equivalent.
int overall(const std::map<Outcome, std::int64_t>& counts) {
  for (const Outcome outcome :
       {Outcome::kDifferent, Outcome::kInconclusive, Outcome::kUnsupported}) {
    if (counts.at(outcome) > 0) return exit_status(outcome);
  }
  return kYes;
}

int check_all(const std::vector<Identity>& identities, const VerifyOptions& common, Json& report) {
  VerifyOptions options = common;
  options.primes = share_primes();  // the file was read before
  std::map<Outcome, std::int64_t> counts = {{Outcome::kEquivalent, 0},
                                            {Outcome::kDifferent, 0},
                                            {Outcome::kInconclusive, 0},
                                            {Outcome::kUnsupported, 0}};
  report["identities"] = Json::Array{};
  for (const Identity& identity : identities) {
    const Verdict verdict = verify(identity, options);
    ++counts[verdict.outcome];
    const std::string what = identity.name == identity.text
                                 ? identity.name
                                 : fmt::format("{}: {}", identity.name, identity.text);
    fmt::print("{:<12} {}\n", to_string(verdict.outcome), what);
    if (verdict.outcome != Outcome::kEquivalent) fmt::print("{:<12} {}\n", "", verdict.reason);
    Json entry = Json::parse(verdict.to_json());
    entry["name"] = identity.name;
    entry["group"] = identity.group;
    entry["identity"] = identity.text;
    entry["facts"] = facts_report(identity);
    report["identities"].push_back(std::move(entry));
  }
  std::string line;
  for (const auto& [outcome, count] : counts) {
    line += fmt::format("{}{} {}", line.empty() ? "" : ", ", to_string(outcome), count);
    report[to_string(outcome)] = count;
  }
  fmt::print("{}\n", line);
  return overall(counts);
}

bool is_file(const std::string& text) {
  std::error_code error;
  return std::filesystem::is_regular_file(text, error);
}

int check_identity(const IdentityOptions& options, Json& report) {
  const auto& given = options.expressions;
  require(given.size() <= 2, "expected two expressions or one text or file, got {}", given.size());
  const bool file = given.size() == 1 && is_file(given[0]);
  std::vector<Identity> identities;
  if (given.size() == 2) {
    identities.push_back(parse_identity(given[0], given[1]));
  } else {
    identities = parse_identities(file ? read_file(given[0]) : given[0], file ? given[0] : "text");
  }
  require(!identities.empty(), "'{}' holds no identity", given[0]);
  require(identities.size() == 1 || (options.range.empty() && options.positive.empty()),
          "--range and --positive are for one identity; a file says its conditions itself");
  const bool several = file || identities.size() > 1;
  require(!several || options.witness.empty(), "--witness is for one identity");
  for (Identity& identity : identities) {
    for (const std::string& range : options.range) assume_range(identity, range);
    for (const std::string& name : options.positive) assume(identity, name, {.low = 0.0});
  }
  return several ? check_all(identities, options.verify, report)
                 : check_one(identities[0], options, report);
}

}  // namespace

Command identity_command() {
  return command<IdentityOptions>("identity", "check whether two expressions are the same function",
                                  check_identity);
}

}  // namespace lamina::cli
