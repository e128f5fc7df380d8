// Rule files: what is read, what is refused, and shapes of instances.
#include <doctest/doctest.h>

#include "../rule_examples.h"
#include "../rule_writer.h"
#include "lamina/error.h"

using namespace lamina;
using namespace lamina::test;

TEST_CASE("rule files: what was written is read") {
  const auto rules = parse_rules(encode_rules({right_rules()[5].second, wrong_rules()[3].second}));
  REQUIRE(rules.size() == 2);
  CHECK(to_string(rules[0]) == to_string(right_rules()[5].second));
  CHECK(rules[0].outputs[1].destination == RuleTensor{2, 1});
  CHECK(to_string(rules[1]).find("s0 = CONV2D(x7, x10; KERNEL_H=3;") != std::string::npos);
}

TEST_CASE("rule files: malformed ones are refused with the number of the rule") {
  const auto refused = [](const std::string& bytes, const char* words) {
    try {
      parse_rules(bytes, "file");
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kInvalidArgument);
      const std::string message = error.what();
      CHECK_MESSAGE(message.find(words) != std::string::npos, message);
    }
  };
  const std::string good = encode_rules({right_rules()[0].second});
  refused("", "file: rule 0: no rules");
  refused(good.substr(0, good.size() - 1), "file: rule 0: a field of");
  refused(good + "\x0a\xff\xff\xff\xff\x0f", "file: rule 1: a field of 4294967295 bytes");
  refused(good + message_field(1, ""), "file: rule 1: no outputs are mapped");
  refused(std::string(11, '\xff'), "more than 64 bits");
  RewriteRule later = rule({relu(of(1)), relu(x(1))}, {relu(x(1))});
  refused(encode_rules({later}), "operator 1 is read before it is computed");
  RewriteRule output = rule({relu(x(1))}, {relu(x(1))});
  output.outputs[0].source.output = 1;
  refused(encode_rules({output}), "output 1 of operator 0, which has 1");
  RewriteRule cut = rule({{13, {x(1)}, {{2, 2000}, {11, 0}}}}, {relu(x(1))});
  refused(encode_rules({cut}), "NUM_OUTPUTS is 2000");
}

TEST_CASE("rule files: a rule has the same inputs on both sides of an instance") {
  for (const auto& [name, rule] : right_rules()) {
    for (const RuleInstance& instance : instantiate(rule)) {
      CHECK(instance.source.inputs.size() == instance.destination.inputs.size());
      CHECK(instance.source.outputs.size() == rule.outputs.size());
      validate(instance.source);
      validate(instance.destination);
    }
  }
}

TEST_CASE("rule files: shapes that cannot be chosen are refused, not searched forever") {
  std::vector<RuleOperator> ops;
  for (int k = 0; k < 60; ++k) {
    const RuleTensor last = k == 0 ? x(1) : of(k - 1);
    ops.push_back(concat(last, last, 0, 2));
  }
  CHECK_THROWS_AS(instantiate(rule(ops, {relu(x(1))})), const Error&);
  ops.clear();
  for (int k = 0; k < 40; ++k) ops.push_back(replicate(k == 0 ? x(1) : of(k - 1), 1));
  CHECK_THROWS_AS(instantiate(rule(ops, ops)), const Error&);
}
