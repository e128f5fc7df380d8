// From S-expressions to the expressions of FPCores.
#include "verify/fpcore.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "verify/derived_functions.h"
#include "verify/expression_parser.h"
#include "verify/s_expression.h"

namespace lamina {
namespace {

using Id = ExpressionBuilder::Id;
using Word = std::pair<std::string_view, std::string_view>;

// The constants of FPCore as infix expressions.
constexpr auto kConstants = std::to_array<Word>({{"E", "exp(1)"},
                                                 {"LOG2E", "1/log(2)"},
                                                 {"LOG10E", "1/log(10)"},
                                                 {"LN2", "log(2)"},
                                                 {"LN10", "log(10)"},
                                                 {"PI", "pi"},
                                                 {"PI_2", "pi/2"},
                                                 {"PI_4", "pi/4"},
                                                 {"M_1_PI", "1/pi"},
                                                 {"M_2_PI", "2/pi"},
                                                 {"M_2_SQRTPI", "2/sqrt(pi)"},
                                                 {"SQRT2", "sqrt(2)"},
                                                 {"SQRT1_2", "sqrt(1/2)"},
                                                 {"TRUE", "0 == 0"},
                                                 {"FALSE", "0 != 0"}});

constexpr auto kMarks = std::to_array<Word>({{"+", "add"},
                                             {"-", "sub"},
                                             {"*", "mul"},
                                             {"/", "div"},
                                             {"<", "less"},
                                             {"<=", "less_equal"},
                                             {">", "greater"},
                                             {">=", "greater_equal"},
                                             {"==", "equal"},
                                             {"!=", "not_equal"}});

// What stands beside `word` in a table; `otherwise` if it is not there.
template <class Table>
std::string_view look_up(const Table& table, std::string_view word, std::string_view otherwise) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Word& row) { return row.first == word; });
  return found == table.end() ? otherwise : found->second;
}

template <std::size_t n>
bool among(const std::array<std::string_view, n>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with('.')) text.remove_prefix(1);
  return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

// Reads one FPCore. Its expressions share a builder, so that they have the same inputs.
class CoreReader {
 public:
  explicit CoreReader(SourceText source) : source_(source) {}

  Fpcore read(const SExpression& core) {
    Fpcore result;
    result.offset = core.offset;
    const auto& items = core.items;
    std::size_t at = 1;
    if (at < items.size() && !items[at].list) result.name = items[at++].text;
    if (at >= items.size() || !items[at].list) error(core, "expected a list of arguments");
    try {
      arguments(items[at++]);
      while (at + 2 < items.size() && items[at].text.starts_with(':')) {
        property(items[at].text, items[at + 1], result);
        at += 2;
      }
      if (at + 1 != items.size()) error(core, "expected properties and one body");
      result.body = expression(items[at]);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kUnsupported) throw;
      result = {.name = result.name, .offset = core.offset, .unsupported = e.what()};
    }
    return result;
  }

 private:
  [[noreturn]] void error(const SExpression& at, std::string_view message,
                          ErrorCode code = ErrorCode::kInvalidArgument) const {
    throw Error(code, source_.at(at.offset, message));
  }

  template <class Work>
  Id located(const SExpression& at, Work work) const {
    try {
      return work();
    } catch (const Error& e) {
      error(at, e.what(), e.code());
    }
  }

  // Names, or (! properties name); arguments that are tensors have sizes behind their name.
  void arguments(const SExpression& list) {
    for (const SExpression& each : list.items) {
      const SExpression& argument = each.starts_with("!") ? each.items.back() : each;
      if (argument.list) error(argument, "arguments must be scalars", ErrorCode::kUnsupported);
      arguments_.emplace(argument.text, builder_.input(argument.text));
    }
  }

  void property(std::string_view name, const SExpression& value, Fpcore& core) {
    if (name == ":pre") {
      core.condition = expression(value);
      if (!core.condition->nodes.back().truth) error(value, "expected a truth value");
    }
    if (name == ":alt" || name == ":herbie-target") core.alternatives.push_back(expression(value));
    if (name == ":name" && core.name.empty() && value.text.size() > 2) {
      core.name = value.text.substr(1, value.text.size() - 2);
    }
  }

  Expression expression(const SExpression& item) {
    return builder_.finish(value(item, arguments_));
  }

  Id value(const SExpression& item, const Scope& scope) {
    if (!item.list) return atom(item, scope);
    if (item.items.empty() || item.items[0].list) error(item, "expected an operator and operands");
    const std::string_view head = item.items[0].text;
    if (head == "let" || head == "let*") return let(item, scope);
    if (head == "!" || head == "cast") {
      if (item.items.size() < 2) error(item, "expected an expression");
      return value(item.items.back(), scope);
    }
    const std::string_view function = look_up(kMarks, head, head);
    if (scalar_op(function) == nullptr && derived_function(function) == nullptr) {
      error(item, fmt::format("no function is called '{}'", head), ErrorCode::kUnsupported);
    }
    std::vector<Id> operands;
    for (std::size_t i = 1; i < item.items.size(); ++i) {
      operands.push_back(value(item.items[i], scope));
    }
    return located(item, [&] { return call(head, function, operands); });
  }

  Id atom(const SExpression& item, const Scope& scope) {
    const auto found = scope.find(item.text);
    if (found != scope.end()) return found->second;
    return located(item, [&] {
      if (is_number(item.text)) return number(item.text);
      const std::string_view constant = look_up(kConstants, item.text, "");
      require(!constant.empty(), "'{}' is neither an argument nor a constant", item.text);
      return ExpressionParser({constant, item.text}, builder_).expression();
    });
  }

  // A decimal, or a quotient of two.
  Id number(std::string_view text) {
    const bool negative = text[0] == '-';
    if (negative || text[0] == '+') text.remove_prefix(1);
    const std::size_t slash = std::min(text.find('/'), text.size());
    Id result = builder_.decimal(text.substr(0, slash));
    if (slash < text.size()) {
      result = builder_.call("div", {result, builder_.decimal(text.substr(slash + 1))});
    }
    return negative ? builder_.call("neg", {result}) : result;
  }

  // Some take any number of operands: a sum of all, a chain of comparisons.
  Id call(std::string_view head, std::string_view function, const std::vector<Id>& operands) {
    constexpr std::array<std::string_view, 4> kJoined = {"+", "*", "and", "or"};
    constexpr std::array<std::string_view, 5> kChained = {"<", "<=", ">", ">=", "=="};
    if (head == "-" && operands.size() == 1) return builder_.call("neg", {operands[0]});
    if (operands.size() > 2 && (among(kJoined, head) || among(kChained, head))) {
      Id result = call_function(builder_, function, {operands[0], operands[1]});
      for (std::size_t i = 2; i < operands.size(); ++i) {
        if (among(kJoined, head)) {
          result = call_function(builder_, function, {result, operands[i]});
        } else {
          const Id holds = call_function(builder_, function, {operands[i - 1], operands[i]});
          result = builder_.call("logical_and", {result, holds});
        }
      }
      return result;
    }
    return among(kJoined, head) && operands.size() == 1
               ? operands[0]
               : call_function(builder_, function, operands);
  }

  // (let ([name value] ...) body); with let*, later values see earlier names.
  Id let(const SExpression& item, const Scope& outer) {
    if (item.items.size() != 3 || !item.items[1].list) error(item, "expected bindings and a body");
    const bool sees_earlier = item.items[0].text == "let*";
    Scope inner = outer;
    for (const SExpression& binding : item.items[1].items) {
      if (!binding.list || binding.items.size() != 2 || binding.items[0].list) {
        error(binding, "expected a name and a value");
      }
      const Id bound = value(binding.items[1], sees_earlier ? inner : outer);
      inner.insert_or_assign(std::string(binding.items[0].text), bound);
    }
    return value(item.items[2], inner);
  }

  SourceText source_;
  ExpressionBuilder builder_;
  Scope arguments_;
};

}  // namespace

bool is_fpcore(std::string_view text) {
  while (!text.empty()) {
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos) return false;
    text.remove_prefix(start);
    if (!text.starts_with(';')) return text.starts_with("(FPCore");
    text.remove_prefix(std::min(text.find('\n'), text.size()));
  }
  return false;
}

std::vector<Fpcore> parse_fpcores(SourceText source) {
  std::vector<Fpcore> cores;
  for (const SExpression& item : parse_s_expressions(source)) {
    if (!item.starts_with("FPCore")) {
      throw Error(ErrorCode::kInvalidArgument, source.at(item.offset, "expected (FPCore ...)"));
    }
    cores.push_back(CoreReader(source).read(item));
  }
  return cores;
}

}  // namespace lamina
