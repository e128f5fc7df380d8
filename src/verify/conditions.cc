// Evaluates conditions, and reads ranges off comparisons.
#include "verify/conditions.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "graph/real_domain.h"
#include "verify/evaluate_expression.h"

namespace lamina {
namespace {

std::vector<double> node_values(const Expression& expression, const std::vector<double>& point) {
  RealDomain domain;
  std::vector<double> values;
  evaluate_nodes(expression, domain, std::span<const double>(point), values);
  return values;
}

// Which nodes depend on no input.
std::vector<bool> constant_nodes(const Expression& expression) {
  std::vector<bool> constant;
  for (const Expression::Node& node : expression.nodes) {
    bool all = node.input < 0;
    for (const std::int32_t operand : node.operands) {
      all = all && (operand < 0 || constant[static_cast<std::size_t>(operand)]);
    }
    constant.push_back(all);
  }
  return constant;
}

class RangeReader {
 public:
  RangeReader(const Expression& condition, Facts& facts)
      : condition_(condition),
        facts_(facts),
        values_(node_values(condition, std::vector<double>(condition.inputs.size()))),
        constant_(constant_nodes(condition)) {}

  // From the last node down; nodes are shared, so each is read once.
  void read() {
    std::vector<bool> true_nodes(condition_.nodes.size(), false);
    true_nodes.back() = true;
    for (std::size_t at = true_nodes.size(); at-- > 0;) {
      const Expression::Node& node = condition_.nodes[at];
      if (!true_nodes[at] || node.op == nullptr) continue;
      if (node.op->name == "logical_and") {
        for (std::size_t i = 0; i < 2; ++i) {
          true_nodes[static_cast<std::size_t>(node.operands[i])] = true;
        }
      } else {
        comparison(node);
      }
    }
  }

 private:
  void comparison(const Expression::Node& node) {
    const std::string_view name = node.op->name;
    const bool less = name == "less" || name == "less_equal";
    const bool greater = name == "greater" || name == "greater_equal";
    if (!less && !greater) return;
    const auto first = static_cast<std::size_t>(node.operands[0]);
    const auto second = static_cast<std::size_t>(node.operands[1]);
    if (is_input(first) && constant_[second]) bound(first, values_[second], less);
    if (is_input(second) && constant_[first]) bound(second, values_[first], greater);
  }

  bool is_input(std::size_t node) const { return condition_.nodes[node].input >= 0; }

  void bound(std::size_t node, double value, bool above) {
    const auto input = static_cast<std::size_t>(condition_.nodes[node].input);
    add_fact(condition_.inputs[input], above ? InputFacts{.high = value} : InputFacts{.low = value},
             facts_);
  }

  const Expression& condition_;
  Facts& facts_;
  std::vector<double> values_;
  std::vector<bool> constant_;
};

}  // namespace

void add_facts(const Expression& condition, Facts& facts) { RangeReader(condition, facts).read(); }

bool holds(const Expression& condition, const std::vector<double>& point) {
  return node_values(condition, point).back() != 0.0;
}

void add_fact(const std::string& input, const InputFacts& fact, Facts& facts) {
  InputFacts& known = facts[input];
  known.low = std::max(known.low, fact.low);
  known.high = std::min(known.high, fact.high);
  require(known.low < known.high, "the conditions leave no interval for '{}'", input);
}

}  // namespace lamina
