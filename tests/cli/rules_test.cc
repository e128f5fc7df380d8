// lamina check --rules: rules of every kind, broken variants, and the rule files of TASO and
// FlexFlow where the environment variable LAMINA_RULES_DIR names the folder that holds them.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cstdlib>
#include <map>
#include <set>

#include "../rule_examples.h"
#include "../rule_writer.h"
#include "base/json.h"
#include "cli/check.h"
#include "sandbox.h"

using namespace lamina;
using namespace lamina::test;

namespace {

// Without bounds, which take longer than all else here.
const VerifyOptions kQuick = {.bits = 0.0};

// The rule with one edge of its destination rewired, for every edge and every other tensor that is
// known there.
std::vector<RewriteRule> rewired(const RewriteRule& rule) {
  std::set<RuleTensor> known;
  for (const auto* ops : {&rule.source, &rule.destination}) {
    for (const RuleOperator& op : *ops) {
      for (const RuleTensor& tensor : op.inputs) {
        if (tensor.op < 0) known.insert(tensor);
      }
    }
  }
  std::vector<RewriteRule> variants;
  for (std::size_t k = 0; k < rule.destination.size(); ++k) {
    for (std::size_t i = 0; i < rule.destination[k].inputs.size(); ++i) {
      for (const RuleTensor& tensor : known) {
        if (tensor == rule.destination[k].inputs[i]) continue;
        variants.push_back(rule);
        variants.back().destination[k].inputs[i] = tensor;
      }
    }
    const int outputs = rule.destination[k].type == 13 ? 2 : 1;
    for (int i = 0; i < outputs; ++i) known.insert(of(static_cast<int>(k), i));
  }
  return variants;
}

}  // namespace

TEST_CASE("rules: right ones of every kind are equivalent") {
  for (const auto& [name, rule] : right_rules()) {
    const cli::RuleVerdict verdict = cli::check_rule(rule, {});
    CHECK_MESSAGE(verdict.outcome == lamina::Outcome::kEquivalent, name, ": ", verdict.reason);
    CHECK(verdict.verdicts.size() >= 2);
    CHECK(verdict.bits.value_or(0.0) >= 80.0);
  }
}

TEST_CASE("rules: wrong ones are different") {
  for (const auto& [name, rule] : wrong_rules()) {
    const cli::RuleVerdict verdict = cli::check_rule(rule, {});
    CHECK_MESSAGE(verdict.outcome == lamina::Outcome::kDifferent, name, ": ", verdict.reason);
    CHECK_FALSE(verdict.reason.empty());
  }
}

TEST_CASE("rules: no rewired edge of a right rule is accepted") {
  for (const auto& [name, rule] : right_rules()) {
    for (const RewriteRule& variant : rewired(rule)) {
      const cli::RuleVerdict verdict = cli::check_rule(variant, kQuick);
      CHECK_MESSAGE(verdict.outcome != lamina::Outcome::kEquivalent, name, ": ",
                    to_string(variant));
    }
  }
}

TEST_CASE("rules: another order of devices is another result") {
  const auto verdict = cli::check_rule(rule({partition(x(1), 1)}, {partition(x(1), 2)}), {});
  CHECK(verdict.outcome == lamina::Outcome::kDifferent);
  CHECK(verdict.reason ==
        "equal elements, but axis 1 of output 0 is in 2 parts in the source and in 1 in the "
        "destination");
}

TEST_CASE("rules: what the verdict does not say is a remark") {
  const auto unbound =
      cli::check_rule(rule({relu(x(1))}, {relu(x(1)), add(x(2), x(2)), relu(of(0))}), {});
  CHECK(unbound.outcome == lamina::Outcome::kEquivalent);
  CHECK(unbound.remark == "the source does not read x2");
  const auto grouped =
      cli::check_rule(rule({conv(x(7), x(10)), conv(x(7), x(11)), concat(of(0), of(1), 1, 4)},
                           {concat(x(10), x(11), 0, 4), conv(x(7), of(0))}),
                      {});
  CHECK(grouped.outcome == lamina::Outcome::kEquivalent);
  CHECK(grouped.remark.starts_with("different with grouped convolutions: "));
}

TEST_CASE("rules: unknown operators are named, malformed ones explained") {
  const auto unknown = cli::check_rule(rule({{14, {x(1)}, {}}}, {relu(x(1))}), {});
  CHECK(unknown.outcome == lamina::Outcome::kUnsupported);
  CHECK(unknown.reason == "operator RESHAPE");
  const auto malformed = cli::check_rule(rule({{12, {x(1), x(2)}, {{10, 2}}}}, {relu(x(1))}), {});
  CHECK(malformed.outcome == lamina::Outcome::kDifferent);
  CHECK(malformed.reason == "ill-typed: CONCAT: no parameter AXIS");
}

TEST_CASE("rules: one line each, a tally, and the exit status of the worst") {
  const Sandbox box;
  std::vector<RewriteRule> rules;
  for (const auto& [name, rule] : right_rules()) rules.push_back(rule);
  write_all(box.path("right.pb"), encode_rules(rules));
  const test::Outcome right = box.lamina("check --rules $/right.pb --json $/report.json");
  CHECK_MESSAGE(right.status == 0, right.err);
  const std::string last =
      fmt::format("\nequivalent {}, different 0, inconclusive 0, unsupported 0\n", rules.size());
  CHECK_MESSAGE(right.out.ends_with(last), right.out);
  CHECK(right.out.starts_with("rule 0: equivalent\nrule 1: equivalent\n"));
  const Json report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("equivalent").integer() == static_cast<std::int64_t>(rules.size()));
  CHECK(report.at("rules").array().at(1).at("verdict").text() == "equivalent");
  CHECK(report.at("command").text() == "check");

  rules = {rule({relu(x(1))}, {relu(x(1))}), {rule({{14, {x(1)}, {}}}, {relu(x(1))})}};
  write_all(box.path("unsupported.pb"), encode_rules(rules));
  CHECK(box.lamina("check --rules $/unsupported.pb").status == 4);
  rules.push_back(wrong_rules()[0].second);
  write_all(box.path("wrong.pb"), encode_rules(rules));
  const test::Outcome wrong = box.lamina("check --rules $/wrong.pb");
  CHECK(wrong.status == 1);
  CHECK(wrong.out.find("rule 1: unsupported (operator RESHAPE)\nrule 2: different (") !=
        std::string::npos);
  CHECK(wrong.out.ends_with("\nequivalent 1, different 1, inconclusive 0, unsupported 1\n"));

  write_all(box.path("text.pb"), "no protobuf");
  box.refuses("check --rules $/text.pb", 2, "text.pb: rule 0: ");
  box.refuses("check --rules $/absent.pb", 3, "absent.pb");
  box.refuses("check --rules $/right.pb $/right.pb", 2, "--rules");
  box.refuses("check $/right.pb", 2, "two models");
}

namespace {

struct RuleFile {
  std::string name;
  std::size_t rules;
  std::size_t equivalent;
  // How many rewired variants of a rule are right all the same (docs/benchmarks.md says why).
  std::map<std::size_t, int> still_right;
};

const RuleFile kTaso = {"jiazhihao_TASO_graph_subst.pb", 133, 129, {}};
const RuleFile kFlexFlow = {
    "flexflow_FlexFlow_graph_subst_3_v2.pb",
    640,
    501,
    {{11, 1},  {12, 1},  {13, 1},  {14, 1},  {40, 1},  {41, 1},  {56, 1},  {106, 1}, {195, 1},
     {239, 1}, {290, 1}, {292, 1}, {394, 1}, {395, 1}, {396, 1}, {397, 1}, {398, 1}, {399, 2},
     {400, 2}, {401, 2}, {402, 2}, {403, 2}, {418, 1}, {438, 1}, {479, 1}, {482, 1}, {486, 1}}};

// The rules of the file, none when the folder of the files is not named.
std::vector<RewriteRule> load(const RuleFile& file) {
  const char* folder = std::getenv("LAMINA_RULES_DIR");
  if (folder == nullptr) {
    MESSAGE("skipped: LAMINA_RULES_DIR does not name the folder of " << file.name);
    return {};
  }
  std::vector<RewriteRule> rules = load_rules(std::string(folder) + "/" + file.name);
  CHECK(rules.size() == file.rules);
  return rules;
}

}  // namespace

TEST_CASE("rules: the files of TASO and FlexFlow") {
  for (const RuleFile& file : {kTaso, kFlexFlow}) {
    cli::Tally tally;
    const std::vector<RewriteRule> rules = load(file);
    for (const RewriteRule& rule : rules) tally.add(cli::check_rule(rule, kQuick).outcome);
    if (rules.empty()) continue;
    CHECK(tally.equivalent == static_cast<int>(file.equivalent));
    CHECK(tally.different == static_cast<int>(file.rules - file.equivalent));
  }
}

TEST_SUITE("slow") {
  TEST_CASE("rules: rewired variants of the files of TASO and FlexFlow") {
    for (const RuleFile& file : {kTaso, kFlexFlow}) {
      const std::vector<RewriteRule> rules = load(file);
      std::map<std::string, int> counts;
      for (std::size_t k = 0; k < rules.size(); ++k) {
        if (cli::check_rule(rules[k], kQuick).outcome != lamina::Outcome::kEquivalent) continue;
        int not_rejected = 0;
        for (const RewriteRule& variant : rewired(rules[k])) {
          const cli::RuleVerdict verdict = cli::check_rule(variant, kQuick);
          const bool typed = !verdict.reason.starts_with("ill-typed");
          ++counts[typed ? std::string(lamina::to_string(verdict.outcome)) : "ill-typed"];
          if (verdict.outcome != lamina::Outcome::kDifferent) ++not_rejected;
        }
        const auto known = file.still_right.find(k);
        CHECK_MESSAGE(not_rejected == (known == file.still_right.end() ? 0 : known->second),
                      file.name, ": rule ", k);
      }
      for (const auto& [kind, count] : counts) {
        MESSAGE(file.name << ": " << count << " variants " << kind);
      }
    }
  }
}
