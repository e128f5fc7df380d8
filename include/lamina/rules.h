// Rewrite rules of graph optimisers (TASO, FlexFlow) as pairs of graphs that verify() compares.
//
// A rule says that one small operator graph, the source, may be replaced by another one, the
// destination. It has no shapes: a rule is to hold for all of them, so it is instantiated at
// several. docs/formats.md says what the operators of rule files mean.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

// A tensor of a rule: output `output` of operator `op` of the same side, or, when `op` is negative,
// an input of the rule.
struct RuleTensor {
  std::int32_t op = 0;
  std::int32_t output = 0;

  auto operator<=>(const RuleTensor&) const = default;
};

// An operator of a rule. Types and parameters keep their numbers in the file.
struct RuleOperator {
  std::int32_t type = 0;
  std::vector<RuleTensor> inputs;
  std::map<std::int32_t, std::int32_t> parameters;
};

// The two tensors that are to be equal.
struct RuleOutput {
  RuleTensor source;
  RuleTensor destination;
};

struct RewriteRule {
  std::vector<RuleOperator> source;  // each operator reads earlier ones of its side
  std::vector<RuleOperator> destination;
  std::vector<RuleOutput> outputs;
};

// Reads a rule file (protobuf message RuleCollection). Throws kInvalidArgument for a malformed one;
// `origin` is used in messages.
std::vector<RewriteRule> parse_rules(std::string_view bytes, std::string_view origin = "rules");
std::vector<RewriteRule> load_rules(const std::string& path);

// "x1 matmul x4 -> s0": the rule on one line, for messages.
std::string to_string(const RewriteRule& rule);

// A rule at one choice of shapes. Both graphs have all inputs of the rule, those that only one side
// reads too.
struct RuleInstance {
  Graph source;
  Graph destination;
  // Where an output is cut into other parts by PARTITION and the like on the two sides: the same
  // elements then lie on other devices. Empty when all outputs are cut alike.
  std::string placement;
  bool grouped = false;  // its convolutions have twice the groups that the rule needs
};

// The rule at `count` choices of shapes, odd and even, and, when it has convolutions and its shapes
// allow it, at one more with grouped convolutions. Throws kUnsupported that names an operator
// without a meaning here, and kInvalidArgument that says why no shapes fit the rule.
std::vector<RuleInstance> instantiate(const RewriteRule& rule, int count = 4);

}  // namespace lamina
