// Infix expressions by recursive descent.
#include "verify/expression_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "verify/derived_functions.h"

namespace lamina {
namespace {

using Id = ExpressionBuilder::Id;

constexpr std::size_t kMaxBytes = 1 << 16;
constexpr int kMaxDepth = 200;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

std::string_view comparison(std::string_view mark) {
  constexpr std::pair<std::string_view, std::string_view> kComparisons[] = {
      {"<", "less"},           {"<=", "less_equal"}, {">", "greater"},
      {">=", "greater_equal"}, {"==", "equal"},      {"!=", "not_equal"}};
  for (const auto& [text, op] : kComparisons) {
    if (mark == text) return op;
  }
  return "";
}

Id call_derived(ExpressionBuilder& builder, const DerivedFunction& function,
                const std::vector<Id>& operands, const Attrs& attrs) {
  Scope scope;
  std::string_view rest = function.parameters;
  for (const Id operand : operands) {
    const std::size_t length = std::min(rest.find(' '), rest.size());
    require(length > 0, "{}: expected {} operands, got {}", function.name, scope.size(),
            operands.size());
    scope.emplace(rest.substr(0, length), operand);
    rest.remove_prefix(std::min(length + 1, rest.size()));
  }
  require(rest.empty(), "{}: too few operands, expected '{}'", function.name, function.parameters);
  require(attrs.empty(), "{}: takes no attributes", function.name);
  ExpressionParser body({function.body, function.name}, builder, 0, &scope);
  const Id value = body.expression();
  body.expect_end();
  return value;
}

}  // namespace

Id call_function(ExpressionBuilder& builder, std::string_view name, const std::vector<Id>& operands,
                 const Attrs& attrs) {
  if (const OpDef* op = scalar_op(name)) return builder.call(*op, operands, attrs);
  const DerivedFunction* derived = derived_function(name);
  if (derived == nullptr) fail(ErrorCode::kUnsupported, "no function is called '{}'", name);
  return call_derived(builder, *derived, operands, attrs);
}

ExpressionParser::ExpressionParser(SourceText source, ExpressionBuilder& builder, std::size_t start,
                                   const Scope* scope)
    : source_(source), builder_(builder), scope_(scope), at_(start) {
  const std::size_t bytes = source.text.size() - start;
  require(bytes <= kMaxBytes, "{}: {} bytes, an expression has at most {}", source.name, bytes,
          kMaxBytes);
  advance();
}

std::size_t ExpressionParser::number_length(std::size_t from) const {
  const std::string_view text = source_.text;
  const auto digits = [&](std::size_t i) {
    while (i < text.size() && is_digit(text[i])) ++i;
    return i;
  };
  std::size_t end = digits(from);
  if (end < text.size() && text[end] == '.') end = digits(end + 1);
  if (end == from + 1 && text[from] == '.') return 0;
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    std::size_t exponent = end + 1;
    if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
    if (digits(exponent) > exponent) end = digits(exponent);
  }
  return end - from;
}

void ExpressionParser::advance() {
  const std::string_view text = source_.text;
  while (at_ < text.size() && std::string_view(" \t\r\n").find(text[at_]) != std::string_view::npos)
    ++at_;
  current_ = {Lexeme::Kind::kEnd, text.substr(at_, 0), at_};
  if (at_ == text.size()) return;
  std::size_t length = 0;
  if (is_letter(text[at_])) {
    while (at_ + length < text.size() &&
           (is_letter(text[at_ + length]) || is_digit(text[at_ + length])))
      ++length;
    current_.kind = Lexeme::Kind::kName;
  } else if ((length = number_length(at_)) > 0) {
    current_.kind = Lexeme::Kind::kNumber;
  } else {
    constexpr std::string_view kTwo[] = {"<=", ">=", "==", "!=", "**"};
    length =
        std::find(std::begin(kTwo), std::end(kTwo), text.substr(at_, 2)) != std::end(kTwo) ? 2 : 1;
    current_.kind = Lexeme::Kind::kMark;
  }
  current_.text = text.substr(at_, length);
  at_ += length;
}

bool ExpressionParser::at(std::string_view mark) const {
  return current_.kind == Lexeme::Kind::kMark && current_.text == mark;
}

bool ExpressionParser::take(std::string_view mark) {
  if (!at(mark)) return false;
  advance();
  return true;
}

void ExpressionParser::expect(std::string_view mark) {
  if (!take(mark)) fail_here(fmt::format("expected '{}'", mark));
}

void ExpressionParser::expect_end() {
  if (current_.kind != Lexeme::Kind::kEnd) fail_here("expected an operator or the end");
}

void ExpressionParser::fail_here(std::string_view expected) const {
  const bool end = current_.kind == Lexeme::Kind::kEnd;
  const std::string got = end ? "the end" : fmt::format("'{}'", current_.text.substr(0, 40));
  throw Error(ErrorCode::kInvalidArgument,
              source_.at(current_.offset, fmt::format("{}, got {}", expected, got)));
}

// Runs `work`; its errors get the position.
template <class Work>
Id ExpressionParser::located(std::size_t offset, Work work) const {
  try {
    return work();
  } catch (const Error& error) {
    throw Error(error.code(), source_.at(offset, error.what()));
  }
}

// a < b < c means a < b and b < c.
Id ExpressionParser::expression() {
  Id left = sum();
  std::optional<Id> all;
  while (true) {
    const std::string_view op = comparison(current_.text);
    if (current_.kind != Lexeme::Kind::kMark || op.empty()) return all.value_or(left);
    const std::size_t offset = current_.offset;
    advance();
    const Id right = sum();
    all = located(offset, [&] {
      const Id holds = builder_.call(op, {left, right});
      return all ? builder_.call("logical_and", {*all, holds}) : holds;
    });
    left = right;
  }
}

Id ExpressionParser::condition() {
  const std::size_t offset = current_.offset;
  const Id value = expression();
  return located(offset, [&] {
    require(builder_.is_truth(value), "a condition must be true or false, such as x > 0");
    return value;
  });
}

Id ExpressionParser::sum() {
  Id value = product();
  while (at("+") || at("-")) {
    const std::string_view op = at("+") ? "add" : "sub";
    const std::size_t offset = current_.offset;
    advance();
    const Id right = product();
    value = located(offset, [&] { return builder_.call(op, {value, right}); });
  }
  return value;
}

Id ExpressionParser::product() {
  Id value = signed_power();
  while (at("*") || at("/")) {
    const std::string_view op = at("*") ? "mul" : "div";
    const std::size_t offset = current_.offset;
    advance();
    const Id right = signed_power();
    value = located(offset, [&] { return builder_.call(op, {value, right}); });
  }
  return value;
}

// Every recursion passes through here.
Id ExpressionParser::signed_power() {
  if (++depth_ > kMaxDepth) fail_here(fmt::format("expected at most {} levels", kMaxDepth));
  const std::size_t offset = current_.offset;
  Id value = -1;
  if (take("+")) {
    value = signed_power();
  } else if (take("-")) {
    value = signed_power();
    value = located(offset, [&] { return builder_.call("neg", {value}); });
  } else {
    value = power();
  }
  --depth_;
  return value;
}

// The exponent may have a sign, and powers associate to the right.
Id ExpressionParser::power() {
  const Id base = primary();
  const std::size_t offset = current_.offset;
  if (!take("^") && !take("**")) return base;
  const Id exponent = signed_power();
  return located(offset, [&] { return builder_.call("pow", {base, exponent}); });
}

Id ExpressionParser::primary() {
  if (current_.kind == Lexeme::Kind::kNumber) return number();
  if (current_.kind == Lexeme::Kind::kName) return name();
  if (!at("(")) fail_here("expected a number, a name or '('");
  advance();
  const Id value = expression();
  expect(")");
  return value;
}

Id ExpressionParser::number() {
  const Lexeme token = std::exchange(current_, {});
  advance();
  return located(token.offset, [&] { return builder_.decimal(token.text); });
}

Id ExpressionParser::name() {
  const Lexeme token = current_;
  advance();
  if (at("(")) return call(token);
  return located(token.offset, [&] {
    if (scope_ != nullptr) {
      const auto found = scope_->find(token.text);
      check(found != scope_->end(), "'{}' is no parameter", token.text);
      return found->second;
    }
    if (token.text == "pi") return call_function(builder_, "pi", {});
    const bool function =
        scalar_op(token.text) != nullptr || derived_function(token.text) != nullptr;
    require(!function, "'{}' is a function and needs operands in parentheses", token.text);
    return builder_.input(token.text);
  });
}

Id ExpressionParser::call(const Lexeme& function) {
  expect("(");
  std::vector<Id> operands;
  Attrs attrs;
  do {
    if (at(")") && operands.empty()) break;
    const Lexeme before = current_;
    const std::size_t start = at_;
    advance();
    if (before.kind == Lexeme::Kind::kName && take("=")) {
      attrs.set(std::string(before.text), attribute());
      continue;
    }
    at_ = start;
    current_ = before;
    if (!attrs.empty()) fail_here("expected an attribute, name=value");
    operands.push_back(expression());
  } while (take(","));
  expect(")");
  return located(function.offset,
                 [&] { return call_function(builder_, function.text, operands, attrs); });
}

Attr ExpressionParser::attribute() {
  const bool negative = take("-");
  const Lexeme token = current_;
  if (token.kind == Lexeme::Kind::kName && !negative) {
    advance();
    if (token.text == "true" || token.text == "false") return token.text == "true";
    return std::string(token.text);
  }
  if (token.kind != Lexeme::Kind::kNumber) fail_here("expected a number, a name, true or false");
  advance();
  double value = 0.0;
  std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
  if (negative) value = -value;
  const bool whole = token.text.find_first_not_of("0123456789") == std::string_view::npos;
  if (whole && std::abs(value) < 0x1p53) return static_cast<std::int64_t>(value);
  return value;
}

Expression parse_expression(std::string_view text, std::string_view source) {
  ExpressionBuilder builder;
  ExpressionParser parser({text, source}, builder);
  const ExpressionBuilder::Id value = parser.expression();
  parser.expect_end();
  return builder.finish(value);
}

}  // namespace lamina
