// What the forms of `lamina check` share: two models, a rule file, a file of stored programs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "lamina/io.h"
#include "lamina/rules.h"
#include "lamina/verify.h"

namespace lamina::cli {

// How often each verdict was given.
struct Tally {
  int equivalent = 0;
  int different = 0;
  int inconclusive = 0;
  int unsupported = 0;

  void add(Outcome outcome);
  void describe(Json& report) const;
  // 0 when all are equivalent, else the status of the worst: different, inconclusive, unsupported.
  int status() const;
};

// The verdict on a rewrite rule, from its instances.
struct RuleVerdict {
  Outcome outcome = Outcome::kInconclusive;
  std::string reason;
  std::optional<double> bits;  // when equivalent: the least that was proved at a choice of shapes
  std::string remark;          // what the verdict does not say; may be empty
  std::vector<Verdict> verdicts;  // by instance, those with grouped convolutions left out
};
RuleVerdict check_rule(const RewriteRule& rule, const VerifyOptions& options);

// `lamina check --rules FILE`: one line per rule, then the tally.
int check_rules(const std::string& path, const VerifyOptions& options, Json& report);

// `lamina check prog.json REFERENCE`: one line per stored program, then the tally; for a single
// program the same as for two models.
int check_programs(const std::string& path, const Graph& reference, const VerifyOptions& options,
                   Json& report);

// `lamina check A FOLDER`: one line for the program of all sizes, one for that of each class.
int check_folder(const ProgramFolder& folder, const Graph& model, const VerifyOptions& options,
                 Json& report);

// `lamina check A B --replay REPORT`: one line that says whether all values agree with the report.
int check_replay(const std::string& path, const Graph& a, const Graph& b,
                 const VerifyOptions& options, Json& report);

// Prints the verdict on one pair and puts it into the report.
int report_verdict(const Verdict& verdict, Json& report);

}  // namespace lamina::cli
