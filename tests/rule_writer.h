// Writes rule files for tests: the inverse of parse_rules().
#pragma once

#include <string>
#include <vector>

#include "lamina/rules.h"

namespace lamina::test {

inline std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80U; value >>= 7U) bytes += static_cast<char>(value | 0x80U);
  return bytes + static_cast<char>(value);
}

inline std::string integer_field(int number, std::int64_t value) {
  return varint(static_cast<std::uint64_t>(number) << 3U) +
         varint(static_cast<std::uint64_t>(value));
}

inline std::string message_field(int number, const std::string& bytes) {
  return varint(static_cast<std::uint64_t>(number) << 3U | 2U) + varint(bytes.size()) + bytes;
}

inline std::string encode_operator(const RuleOperator& op) {
  std::string bytes = integer_field(1, op.type);
  for (const RuleTensor& tensor : op.inputs) {
    bytes += message_field(2, integer_field(1, tensor.op) + integer_field(2, tensor.output));
  }
  for (const auto& [key, value] : op.parameters) {
    bytes += message_field(3, integer_field(1, key) + integer_field(2, value));
  }
  return bytes;
}

inline std::string encode_rule(const RewriteRule& rule) {
  std::string bytes;
  for (const RuleOperator& op : rule.source) bytes += message_field(1, encode_operator(op));
  for (const RuleOperator& op : rule.destination) bytes += message_field(2, encode_operator(op));
  for (const RuleOutput& output : rule.outputs) {
    bytes += message_field(3, integer_field(1, output.source.op) +
                                  integer_field(2, output.destination.op) +
                                  integer_field(3, output.source.output) +
                                  integer_field(4, output.destination.output));
  }
  return bytes;
}

inline std::string encode_rules(const std::vector<RewriteRule>& rules) {
  std::string bytes;
  for (const RewriteRule& rule : rules) bytes += message_field(1, encode_rule(rule));
  return bytes;
}

}  // namespace lamina::test
