// Rule files of TASO and FlexFlow: a protobuf message, read without the protobuf library, since it
// has 12 fields. Format: docs/formats.md, "Rewrite rules".
#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/files.h"
#include "io/rule_types.h"
#include "lamina/rules.h"

namespace lamina {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20U;
constexpr std::size_t kMaxOperators = 64;  // of one side of a rule
constexpr std::size_t kMaxInputs = 64;     // of an operator

// The fields of a message, one after the other. A varint and a run of bytes are all that rule files
// use; the other two kinds are skipped.
class WireReader {
 public:
  struct Field {
    std::uint32_t number = 0;
    std::int64_t value = 0;  // varint
    std::string_view bytes;  // length-delimited
    bool is_bytes = false;
  };

  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  // False at the end of the message.
  bool next(Field& field) {
    while (!rest_.empty()) {
      const std::uint64_t tag = varint();
      require(tag >> 3U != 0 && tag >> 3U <= 0x1fffffff, "malformed field number");
      field = {static_cast<std::uint32_t>(tag >> 3U), 0, {}, false};
      switch (tag & 7U) {
        case 0:
          field.value = static_cast<std::int64_t>(varint());
          return true;
        case 2:
          field.bytes = take(varint());
          field.is_bytes = true;
          return true;
        case 1:
          take(8);
          break;
        case 5:
          take(4);
          break;
        default:
          fail(ErrorCode::kInvalidArgument, "malformed field of kind {}", tag & 7U);
      }
    }
    return false;
  }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80U) return value;
    }
    fail(ErrorCode::kInvalidArgument, "a number of more than 64 bits");
  }

  std::string_view take(std::uint64_t count) {
    require(count <= rest_.size(), "a field of {} bytes where {} are left", count, rest_.size());
    const std::string_view bytes = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(bytes.size());
    return bytes;
  }

  std::string_view rest_;
};

std::int32_t narrow(const WireReader::Field& field) {
  require(!field.is_bytes && field.value >= std::numeric_limits<std::int32_t>::min() &&
              field.value <= std::numeric_limits<std::int32_t>::max(),
          "field {} is no 32-bit integer", field.number);
  return static_cast<std::int32_t>(field.value);
}

// The fields 1 to N of a message of integers; absent ones are an error.
template <std::size_t N>
std::array<std::int32_t, N> integers(const WireReader::Field& message, std::string_view name) {
  require(message.is_bytes, "a {} that is no message", name);
  std::array<std::int32_t, N> values{};
  std::array<bool, N> present{};
  WireReader reader(message.bytes);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number > N) continue;
    values[field.number - 1] = narrow(field);
    present[field.number - 1] = true;
  }
  require(std::all_of(present.begin(), present.end(), [](bool p) { return p; }),
          "a {} without all of its {} fields", name, N);
  return values;
}

RuleOperator read_operator(const WireReader::Field& message) {
  require(message.is_bytes, "an operator that is no message");
  RuleOperator op;
  bool typed = false;
  WireReader reader(message.bytes);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == 1) {
      op.type = narrow(field);
      typed = true;
    } else if (field.number == 2) {
      const auto [from, output] = integers<2>(field, "tensor");
      op.inputs.push_back({from, output});
      require(op.inputs.size() <= kMaxInputs, "an operator with more than {} inputs", kMaxInputs);
    } else if (field.number == 3) {
      const auto [key, value] = integers<2>(field, "parameter");
      require(op.parameters.try_emplace(key, value).second, "parameter {} occurs twice", key);
    }
  }
  require(typed, "an operator without a type");
  return op;
}

// Operators read earlier ones of their side.
void check_tensor(const RuleTensor& tensor, const std::vector<RuleOperator>& ops,
                  std::size_t known) {
  if (tensor.op < 0) return;
  const auto op = static_cast<std::size_t>(tensor.op);
  require(op < known, "operator {} is read before it is computed", op);
  require(tensor.output >= 0 && tensor.output < output_count(ops[op]),
          "output {} of operator {}, which has {}", tensor.output, op, output_count(ops[op]));
}

void check_side(const std::vector<RuleOperator>& ops) {
  for (std::size_t k = 0; k < ops.size(); ++k) {
    for (const RuleTensor& tensor : ops[k].inputs) check_tensor(tensor, ops, k);
  }
}

void check_rule(const RewriteRule& rule) {
  check_side(rule.source);
  check_side(rule.destination);
  require(!rule.outputs.empty(), "no outputs are mapped");
  for (const RuleOutput& output : rule.outputs) {
    require(output.source.op >= 0 && output.destination.op >= 0, "a mapped output of no operator");
    check_tensor(output.source, rule.source, rule.source.size());
    check_tensor(output.destination, rule.destination, rule.destination.size());
  }
}

RewriteRule read_rule(const WireReader::Field& message) {
  require(message.is_bytes, "a rule that is no message");
  RewriteRule rule;
  WireReader reader(message.bytes);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == 1 || field.number == 2) {
      std::vector<RuleOperator>& side = field.number == 1 ? rule.source : rule.destination;
      require(side.size() < kMaxOperators, "more than {} operators", kMaxOperators);
      side.push_back(read_operator(field));
    } else if (field.number == 3) {
      const auto [source, destination, source_output, destination_output] =
          integers<4>(field, "mapped output");
      rule.outputs.push_back({{source, source_output}, {destination, destination_output}});
      require(rule.outputs.size() <= kMaxInputs, "more than {} mapped outputs", kMaxInputs);
    }
  }
  check_rule(rule);
  return rule;
}

}  // namespace

std::vector<RewriteRule> parse_rules(std::string_view bytes, std::string_view origin) {
  std::vector<RewriteRule> rules;
  try {
    WireReader reader(bytes);
    for (WireReader::Field field; reader.next(field);) {
      if (field.number == 1) rules.push_back(read_rule(field));
    }
    require(!rules.empty(), "no rules");
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: rule {}: {}", origin, rules.size(), error.what()));
  }
  return rules;
}

std::vector<RewriteRule> load_rules(const std::string& path) {
  const auto file = map_file(path);
  require(file->bytes <= kMaxFileBytes, "{}: {} bytes are too many for a rule file", path,
          file->bytes);
  return parse_rules(file->text(), path);
}

}  // namespace lamina
