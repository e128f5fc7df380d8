// Reads ranges off comparisons.
#include "verify/conditions.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/check.h"
#include "graph/real_domain.h"
#include "verify/evaluate_expression.h"

namespace lamina {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

class ConditionReader {
 public:
  ConditionReader(const Expression& condition, Facts& facts)
      : condition_(condition), facts_(facts) {
    RealDomain domain;
    const std::vector<double> unknown(condition.inputs.size(), kNothing);
    evaluate_nodes(condition, domain, std::span<const double>(unknown), values_);
    for (const Expression::Node& node : condition.nodes) {
      bool constant = node.input < 0;
      for (const std::int32_t operand : node.operands) {
        if (operand >= 0) constant = constant && constant_[static_cast<std::size_t>(operand)];
      }
      constant_.push_back(constant);
    }
  }

  // From the last node down; nodes are shared, so each is read once.
  void read() {
    std::vector<bool> holds(condition_.nodes.size(), false);
    holds.back() = true;
    for (std::size_t at = holds.size(); at-- > 0;) {
      if (!holds[at]) continue;
      const Expression::Node& node = condition_.nodes[at];
      if (node.op != nullptr && node.op->name == "logical_and") {
        for (std::size_t i = 0; i < 2; ++i) {
          holds[static_cast<std::size_t>(node.operands[i])] = true;
        }
      } else if (!constant_[at] || values_[at] == 0.0) {  // what is always true adds nothing
        comparison(node);
      }
    }
  }

 private:
  void comparison(const Expression::Node& node) {
    const std::string_view name = node.op == nullptr ? "" : node.op->name;
    const bool less = name == "less" || name == "less_equal";
    const bool greater = name == "greater" || name == "greater_equal";
    if (!less && !greater) refuse();
    const auto first = static_cast<std::size_t>(node.operands[0]);
    const auto second = static_cast<std::size_t>(node.operands[1]);
    if (is_input(first) && constant_[second]) {
      add(first, values_[second], less);
    } else if (is_input(second) && constant_[first]) {
      add(second, values_[first], greater);
    } else {
      refuse();
    }
  }

  bool is_input(std::size_t node) const { return condition_.nodes[node].input >= 0; }

  void add(std::size_t node, double bound, bool above) {
    require(bound == bound, "a bound of a condition has no value");
    const auto input = static_cast<std::size_t>(condition_.nodes[node].input);
    add_fact(condition_.inputs[input], above ? InputFacts{.high = bound} : InputFacts{.low = bound},
             facts_);
  }

  [[noreturn]] static void refuse() {
    fail(ErrorCode::kUnsupported, "conditions must be ranges of single inputs, such as 0 < x < 2");
  }

  const Expression& condition_;
  Facts& facts_;
  std::vector<double> values_;
  std::vector<bool> constant_;
};

}  // namespace

void add_facts(const Expression& condition, Facts& facts) {
  ConditionReader(condition, facts).read();
}

void add_fact(const std::string& input, const InputFacts& fact, Facts& facts) {
  InputFacts& known = facts[input];
  known.low = std::max(known.low, fact.low);
  known.high = std::min(known.high, fact.high);
  require(known.low < known.high, "the conditions leave no interval for '{}'", input);
}

}  // namespace lamina
