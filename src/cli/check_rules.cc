// Rewrite rules, each at several shapes (docs/cli.md, "lamina check --rules").
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/check.h"
#include "cli/check.h"

namespace lamina::cli {
namespace {

std::string join(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

std::set<RuleTensor> inputs_of(const std::vector<RuleOperator>& ops) {
  std::set<RuleTensor> inputs;
  for (const RuleOperator& op : ops) {
    for (const RuleTensor& tensor : op.inputs) {
      if (tensor.op < 0) inputs.insert(tensor);
    }
  }
  return inputs;
}

// A destination with an input of its own cannot be built from what the source gives.
std::string unbound_inputs(const RewriteRule& rule) {
  const std::set<RuleTensor> known = inputs_of(rule.source);
  std::vector<std::string> names;
  for (const RuleTensor& tensor : inputs_of(rule.destination)) {
    if (!known.contains(tensor)) names.push_back(fmt::format("x{}", -std::int64_t{tensor.op}));
  }
  return names.empty() ? "" : "the source does not read " + join(names);
}

// Different beats unsupported, which beats inconclusive.
int weight(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDifferent:
      return 3;
    case Outcome::kUnsupported:
      return 2;
    case Outcome::kInconclusive:
      return 1;
    default:
      return 0;
  }
}

void judge(RuleVerdict& rule) {
  const auto worst = std::max_element(
      rule.verdicts.begin(), rule.verdicts.end(),
      [](const Verdict& a, const Verdict& b) { return weight(a.outcome) < weight(b.outcome); });
  rule.outcome = worst->outcome;
  if (rule.outcome == Outcome::kEquivalent) {
    for (const Verdict& verdict : rule.verdicts) {
      if (!verdict.bits) continue;
      rule.bits = std::min(rule.bits.value_or(*verdict.bits), *verdict.bits);
    }
    rule.reason = fmt::format("at {} choices of shapes", rule.verdicts.size());
    return;
  }
  const auto equal = std::count_if(rule.verdicts.begin(), rule.verdicts.end(),
                                   [](const auto& v) { return v.outcome == Outcome::kEquivalent; });
  rule.reason = fmt::format("{}; at {}", worst->reason, join(worst->shapes));
  if (equal > 0)
    rule.reason +=
        fmt::format("; equal at {} of {} choices of shapes", equal, rule.verdicts.size());
}

void add_remark(RuleVerdict& rule, const std::string& remark) {
  if (!remark.empty()) rule.remark += (rule.remark.empty() ? "" : "; ") + remark;
}

std::string line_of(std::size_t index, const RuleVerdict& rule) {
  std::string detail = rule.outcome == Outcome::kEquivalent ? "" : rule.reason;
  if (!rule.remark.empty()) detail += (detail.empty() ? "" : "; ") + rule.remark;
  std::string line = fmt::format("rule {}: {}", index, to_string(rule.outcome));
  return detail.empty() ? line : fmt::format("{} ({})", line, detail);
}

// The report on one rule: the verdict on it, and what was found at the worst of its shapes.
Json describe(std::size_t index, const RewriteRule& rule, const RuleVerdict& verdict) {
  Json json;
  json["rule"] = static_cast<std::int64_t>(index);
  json["text"] = to_string(rule);
  json["verdict"] = to_string(verdict.outcome);
  json["reason"] = verdict.reason;
  json["bits"] = verdict.bits ? Json(*verdict.bits) : Json();
  json["remark"] = verdict.remark.empty() ? Json() : Json(verdict.remark);
  json["instances"] = Json::Array{};
  for (const Verdict& instance : verdict.verdicts) {
    json["instances"].push_back(Json::parse(instance.to_json()));
  }
  return json;
}

}  // namespace

RuleVerdict check_rule(const RewriteRule& rule, const VerifyOptions& options) {
  RuleVerdict result;
  result.remark = unbound_inputs(rule);
  try {
    const std::vector<RuleInstance> instances = instantiate(rule);
    for (const RuleInstance& instance : instances) {
      Verdict verdict = verify(instance.source, instance.destination, options);
      if (!instance.grouped) {
        result.verdicts.push_back(std::move(verdict));
      } else if (verdict.outcome != Outcome::kEquivalent) {
        add_remark(result,
                   fmt::format("{} with grouped convolutions: {}; at {}",
                               to_string(verdict.outcome), verdict.reason, join(verdict.shapes)));
      }
    }
    judge(result);
    if (result.outcome == Outcome::kEquivalent && !instances[0].placement.empty()) {
      result.outcome = Outcome::kDifferent;
      result.reason = "equal elements, but " + instances[0].placement;
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kUnsupported) {
      result.outcome = Outcome::kUnsupported;
      result.reason = error.what();
    } else if (error.code() == ErrorCode::kInvalidArgument) {
      result.outcome = Outcome::kDifferent;
      result.reason = fmt::format("ill-typed: {}", error.what());
    } else {
      throw;
    }
  }
  return result;
}

int check_rules(const std::string& path, const VerifyOptions& common, Json& report) {
  const std::vector<RewriteRule> rules = load_rules(path);
  VerifyOptions options = common;
  options.primes = share_primes();  // the file was read before
  Tally tally;
  report["version"] = 1;
  report["rules"] = Json::Array{};
  for (std::size_t k = 0; k < rules.size(); ++k) {
    const RuleVerdict verdict = check_rule(rules[k], options);
    tally.add(verdict.outcome);
    fmt::print("{}\n", line_of(k, verdict));
    std::fflush(stdout);
    report["rules"].push_back(describe(k, rules[k], verdict));
  }
  fmt::print("equivalent {}, different {}, inconclusive {}, unsupported {}\n", tally.equivalent,
             tally.different, tally.inconclusive, tally.unsupported);
  tally.describe(report);
  return tally.status();
}

}  // namespace lamina::cli
