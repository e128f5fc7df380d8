// lamina check: do two models compute the same function?
#include "cli/check.h"

#include <fmt/core.h>

#include <filesystem>

#include "base/check.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/numeric_options.h"
#include "cli/verdict_status.h"
#include "cli/witness_files.h"

namespace lamina::cli {
namespace {

struct CheckOptions {
  std::string a;
  std::string b;
  std::string rules;
  std::vector<std::string> size;
  VerifyOptions verify;
  bool by_order = false;
  std::string replay;
  std::string witness;
  NumericFlags numeric;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("[A]", self.a, "a model, or a .json file with stored programs of Mirage");
    visit("[B]", self.b, "another model with the same inputs and outputs");
    visit("rules", self.rules, "instead of models: a file of rewrite rules of TASO or FlexFlow");
    visit("bits", self.verify.bits, "error bound to prove, -log2; 0: one pass without a bound");
    visit("most_passes", self.verify.most_passes, "give up after so many passes (per binding)");
    visit("bindings", self.verify.size_bindings, "how many values of the named sizes are tried");
    visit("shrink", self.verify.shrink,
          "replace dimensions above this by small ones where possible; 0: never");
    visit("cells", self.verify.cells,
          "accept agreement on so many cells of random points where all are too many");
    visit("elements", self.verify.elements,
          "compare only so many elements of each output, at full shape; 0: all");
    visit("by_order", self.by_order, "match inputs by order whatever their names");
    visit("size", self.size, "NAME=N: the value of a named size");
    visit("replay", self.replay, "a report of this check: evaluate its passes again, slowly");
    visit("witness", self.witness,
          "folder for a point at which the models differ: NAME.npy of every input, witness.json");
    NumericFlags::fields(self.numeric, visit);
  }
};

int check_models(const CheckOptions& options, Json& report) {
  VerifyOptions verify_options = options.verify;
  verify_options.match_names = !options.by_order;
  const auto numeric = numeric_options(options.numeric);
  const bool stored = std::filesystem::path(options.a).extension() == ".json";
  require(!numeric || (options.rules.empty() && !stored), "--numeric compares two models");
  require(options.replay.empty() || (options.rules.empty() && !stored && !numeric),
          "--replay is for the report of a check of two models");
  require(options.witness.empty() || (options.rules.empty() && options.replay.empty() && !stored),
          "--witness is for a check of two models");
  if (!options.rules.empty()) {
    require(options.a.empty() && options.size.empty(), "--rules goes without models and --size");
    return check_rules(options.rules, verify_options, report);
  }
  require(!options.b.empty(), "check needs two models, or --rules FILE");
  const Graph b = load_model({options.b, {}, options.size});
  if (stored) return check_programs(options.a, b, verify_options, report);
  const Graph a = load_model({options.a, {}, options.size});
  if (options.size.empty() && is_program_folder(options.b)) {
    const ProgramFolder folder(options.b);
    require(
        folder.classes() == 0 || (!numeric && options.replay.empty() && options.witness.empty()),
        "--numeric, --replay and --witness look at one program of '{}': give --size NAME=N",
        options.b);
    if (folder.classes() > 0) return check_folder(folder, a, verify_options, report);
  }
  if (!options.replay.empty()) return check_replay(options.replay, a, b, verify_options, report);
  const Verdict verdict = verify(a, b, verify_options);
  const int status = report_verdict(verdict, report);
  if (!options.witness.empty()) {
    write_witness(options.witness, {a, options.a, options.size}, {b, options.b, options.size},
                  verdict, report);
  }
  return numeric ? check_numeric_too(*numeric, a, b, verdict.outcome, report) : status;
}

}  // namespace

int report_verdict(const Verdict& verdict, Json& report) {
  fmt::print("{}\n", verdict.to_text());
  report = Json::parse(verdict.to_json());
  report["command"] = "check";
  return exit_status(verdict.outcome);
}

void Tally::add(Outcome outcome) {
  switch (outcome) {
    case Outcome::kEquivalent:
      ++equivalent;
      return;
    case Outcome::kDifferent:
      ++different;
      return;
    case Outcome::kInconclusive:
      ++inconclusive;
      return;
    case Outcome::kUnsupported:
      ++unsupported;
      return;
  }
}

void Tally::describe(Json& report) const {
  report["equivalent"] = equivalent;
  report["different"] = different;
  report["inconclusive"] = inconclusive;
  report["unsupported"] = unsupported;
}

int Tally::status() const {
  if (different > 0) return exit_status(Outcome::kDifferent);
  if (inconclusive > 0) return exit_status(Outcome::kInconclusive);
  return exit_status(unsupported > 0 ? Outcome::kUnsupported : Outcome::kEquivalent);
}

Command check_command() {
  return command<CheckOptions>("check", "check whether two models compute the same", check_models);
}

}  // namespace lamina::cli
