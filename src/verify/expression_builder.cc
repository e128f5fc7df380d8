// Nodes of expressions: folding of constants, truth values, limits.
#include "verify/expression_builder.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "base/check.h"

namespace lamina {
namespace {

using Id = ExpressionBuilder::Id;

constexpr std::size_t kMaxNodes = 4096;
constexpr std::size_t kMaxInputs = 256;
constexpr std::int64_t kExact = std::int64_t{1} << 53;
constexpr std::size_t kChunk = 15;  // decimal digits of a constant that is certainly exact
constexpr std::size_t kMaxDigits = 400;
constexpr int kMaxExponent = 400;

constexpr Value kNumber{0, 0};
constexpr Value kTruth{1, 0};

std::int64_t power_of_ten(std::size_t exponent) {
  std::int64_t power = 1;
  for (std::size_t i = 0; i < exponent; ++i) power *= 10;
  return power;
}

// In lowest terms; nullopt when a part is too large. The factors are below 2^53, sums of two of
// their products below 2^107.
__extension__ using Wide = __int128;
std::optional<Rational> reduced(Wide numerator, Wide denominator) {
  if (denominator == 0) return std::nullopt;
  if (denominator < 0) {
    numerator = -numerator;
    denominator = -denominator;
  }
  Wide a = numerator < 0 ? -numerator : numerator;
  Wide b = denominator;
  while (b != 0) a = std::exchange(b, a % b);
  numerator /= a;
  denominator /= a;
  if (numerator <= -kExact || numerator >= kExact || denominator >= kExact) return std::nullopt;
  return Rational{static_cast<std::int64_t>(numerator), static_cast<std::int64_t>(denominator)};
}

bool is_constant(const Expression::Node& node) { return node.op == nullptr && node.input < 0; }

}  // namespace

const OpDef* scalar_op(std::string_view name) {
  const auto ops = all_ops();
  const auto found =
      std::find_if(ops.begin(), ops.end(), [&](const OpDef& op) { return op.name == name; });
  if (found == ops.end() || found->kind != Kind::kElementwise) return nullptr;
  const bool about_storage =
      std::any_of(found->attrs.begin(), found->attrs.end(),
                  [](const AttrSpec& a) { return a.kind == AttrKind::kDType; });
  const bool fits = found->max_inputs >= 0 && found->max_inputs <= Expression::kMaxOperands;
  return found->scalar.real != nullptr && fits && !about_storage ? &*found : nullptr;
}

ExpressionBuilder::ExpressionBuilder() {
  rules_.add_input("number", {DType::kF64, {}, {}});
  rules_.add_input("truth", {DType::kBool, {}, {}});
}

Id ExpressionBuilder::push(Expression::Node node) {
  require(expression_.nodes.size() < kMaxNodes, "an expression has at most {} operations",
          kMaxNodes);
  expression_.nodes.push_back(std::move(node));
  return static_cast<Id>(expression_.nodes.size() - 1);
}

Id ExpressionBuilder::input(std::string_view name) {
  auto& names = expression_.inputs;
  const auto number =
      static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  if (number == names.size()) {
    require(number < kMaxInputs, "an expression has at most {} variables", kMaxInputs);
    names.emplace_back(name);
  }
  input_nodes_.resize(names.size(), -1);
  if (input_nodes_[number] < 0) {
    Expression::Node node;
    node.input = static_cast<std::int32_t>(number);
    input_nodes_[number] = push(std::move(node));
  }
  return input_nodes_[number];
}

Id ExpressionBuilder::integer(std::int64_t value) {
  check(value > -kExact && value < kExact, "the constant {} is too large", value);
  Expression::Node node;
  node.constant.numerator = value;
  return push(std::move(node));
}

Id ExpressionBuilder::digits(std::string_view digits) {
  Id value = integer(0);
  for (std::size_t at = 0; at < digits.size(); at += kChunk) {
    const std::string_view chunk = digits.substr(at, kChunk);
    std::int64_t part = 0;
    for (const char c : chunk) part = 10 * part + (c - '0');
    const Id shifted = call("mul", {value, integer(power_of_ten(chunk.size()))});
    value = call("add", {shifted, integer(part)});
  }
  return value;
}

// value * 10^exponent.
Id ExpressionBuilder::scaled(Id value, int exponent) {
  const std::string_view op = exponent < 0 ? "div" : "mul";
  for (auto left = static_cast<std::size_t>(std::abs(exponent)); left > 0;) {
    const std::size_t step = std::min(left, kChunk);
    value = call(op, {value, integer(power_of_ten(step))});
    left -= step;
  }
  return value;
}

Id ExpressionBuilder::decimal(std::string_view text) {
  std::string mantissa;
  int exponent = 0;
  std::size_t at = 0;
  for (bool fraction = false; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !fraction) {
      fraction = true;
    } else if (c >= '0' && c <= '9') {
      mantissa += c;
      exponent -= fraction ? 1 : 0;
    } else {
      break;
    }
  }
  int shift = 0;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    at += at + 1 < text.size() && text[at + 1] == '+' ? 2 : 1;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), shift);
    require(error != std::errc::result_out_of_range, "the number is too large or too small");
    at = static_cast<std::size_t>(end - text.data());
    if (error != std::errc()) mantissa.clear();
  }
  require(!mantissa.empty() && at == text.size(), "'{}' is not a number", text);
  require(mantissa.size() <= kMaxDigits && std::abs(shift) <= kMaxExponent,
          "a number has at most {} digits and exponents up to {}", kMaxDigits, kMaxExponent);
  return scaled(digits(mantissa), exponent + shift);
}

std::optional<Rational> ExpressionBuilder::folded(std::string_view op,
                                                  std::span<const Id> operands) const {
  for (const Id id : operands) {
    if (!is_constant(expression_.nodes[static_cast<std::size_t>(id)])) return std::nullopt;
  }
  const auto part = [&](std::size_t i) {
    return expression_.nodes[static_cast<std::size_t>(operands[i])].constant;
  };
  if (op == "neg" && operands.size() == 1) return Rational{-part(0).numerator, part(0).denominator};
  if (operands.size() != 2) return std::nullopt;
  const Wide a = part(0).numerator, b = part(0).denominator;
  const Wide c = part(1).numerator, d = part(1).denominator;
  if (op == "add") return reduced(a * d + c * b, b * d);
  if (op == "sub") return reduced(a * d - c * b, b * d);
  if (op == "mul") return reduced(a * c, b * d);
  if (op == "div") return reduced(a * d, b * c);
  return std::nullopt;
}

bool ExpressionBuilder::takes_numbers(const OpDef& op, std::size_t operands) {
  if (operands < static_cast<std::size_t>(op.min_inputs)) return false;
  const std::vector<Type> types(operands, rules_.type(kNumber));
  try {
    op.infer({op, types, {}, {}});
    return true;
  } catch (const Error&) {
    return false;
  }
}

Id ExpressionBuilder::call(const OpDef& op, std::span<const Id> operands, const Attrs& attrs) {
  if (const auto value = folded(op.name, operands)) {
    Expression::Node node;
    node.constant = *value;
    return push(std::move(node));
  }
  std::vector<Id> numbers(operands.begin(), operands.end());
  const bool any_truth =
      std::any_of(numbers.begin(), numbers.end(), [&](Id id) { return is_truth(id); });
  if (any_truth && takes_numbers(op, numbers.size())) {
    const Attrs to_number = {{"dtype", DType::kF64}};
    for (Id& id : numbers) {
      if (is_truth(id)) id = add_call(find_op("cast"), {id}, to_number);
    }
  }
  return add_call(op, std::move(numbers), attrs);
}

Id ExpressionBuilder::call(std::string_view op, std::initializer_list<Id> operands) {
  return call(find_op(op), {operands.begin(), operands.size()});
}

// Graph::add knows the arity, the attributes and the types.
Id ExpressionBuilder::add_call(const OpDef& op, std::vector<Id> operands, const Attrs& attrs) {
  std::vector<Value> values;
  for (const Id id : operands) {
    values.push_back(is_truth(id) ? kTruth : kNumber);
  }
  const Value added = rules_.add(op.name, std::move(values), attrs);
  Expression::Node node;
  node.op = &op;
  std::copy(operands.begin(), operands.end(), node.operands.begin());
  node.attrs = rules_.node(added).attrs;
  node.truth = rules_.type(added).dtype == DType::kBool;
  rules_.nodes.pop_back();
  return push(std::move(node));
}

Expression ExpressionBuilder::finish(Id value) const {
  std::vector<bool> needed(expression_.nodes.size(), false);
  needed[static_cast<std::size_t>(value)] = true;
  for (auto i = static_cast<std::size_t>(value) + 1; i-- > 0;) {
    if (!needed[i]) continue;
    for (const Id operand : expression_.nodes[i].operands) {
      if (operand >= 0) needed[static_cast<std::size_t>(operand)] = true;
    }
  }
  Expression result;
  result.inputs = expression_.inputs;
  std::vector<Id> moved(expression_.nodes.size(), -1);
  for (std::size_t i = 0; i <= static_cast<std::size_t>(value); ++i) {
    if (!needed[i]) continue;
    Expression::Node node = expression_.nodes[i];
    for (Id& operand : node.operands) {
      if (operand >= 0) operand = moved[static_cast<std::size_t>(operand)];
    }
    moved[i] = static_cast<Id>(result.nodes.size());
    result.nodes.push_back(std::move(node));
  }
  return result;
}

namespace {

Value add_constant(Graph& graph, const Rational& value) {
  const auto number = [&](std::int64_t n) {
    return graph.constant(static_cast<double>(n), DType::kF64);
  };
  const Value numerator = number(value.numerator);
  if (value.denominator == 1) return numerator;
  return graph.add("div", {numerator, number(value.denominator)});
}

Value add_call(Graph& graph, const Expression::Node& node, std::span<const Value> values) {
  std::vector<Value> operands;
  for (const Id operand : node.operands) {
    if (operand < 0) continue;
    require(static_cast<std::size_t>(operand) < values.size(),
            "an operand of '{}' does not stand before it", node.op->name);
    operands.push_back(values[static_cast<std::size_t>(operand)]);
  }
  return graph.add(node.op->name, std::move(operands), node.attrs);
}

}  // namespace

Graph to_graph(const Expression& expression) {
  require(!expression.nodes.empty(), "an expression without nodes has no value");
  Graph graph;
  graph.name = "expression";
  std::vector<Value> inputs;
  for (const std::string& name : expression.inputs) {
    inputs.push_back(graph.add_input(name, {DType::kF64, {}, {}}));
  }
  std::vector<Value> values;
  for (const Expression::Node& node : expression.nodes) {
    if (node.op != nullptr) {
      values.push_back(add_call(graph, node, values));
    } else if (node.input >= 0) {
      require(static_cast<std::size_t>(node.input) < inputs.size(),
              "an expression of {} inputs has no input {}", inputs.size(), node.input);
      values.push_back(inputs[static_cast<std::size_t>(node.input)]);
    } else {
      values.push_back(add_constant(graph, node.constant));
    }
  }
  const bool truth = expression.nodes.back().truth;
  const Attrs to_number = {{"dtype", DType::kF64}};
  graph.add_output("value", truth ? graph.add("cast", {values.back()}, to_number) : values.back());
  return graph;
}

}  // namespace lamina
