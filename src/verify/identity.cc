// Identities from texts and files, and their check.
#include "lamina/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "verify/conditions.h"
#include "verify/expression_parser.h"
#include "verify/fpcore.h"

namespace lamina {
namespace {

// Gives all expressions the same inputs: those of the left side, then what others add.
void share_inputs(Identity& identity) {
  std::vector<Expression*> expressions = {&identity.left, &identity.right};
  for (Expression& condition : identity.conditions) expressions.push_back(&condition);
  std::vector<std::string> all;
  for (Expression* expression : expressions) {
    std::vector<std::int32_t> moved;
    for (const std::string& name : expression->inputs) {
      const auto found = std::find(all.begin(), all.end(), name);
      moved.push_back(static_cast<std::int32_t>(found - all.begin()));
      if (found == all.end()) all.push_back(name);
    }
    for (Expression::Node& node : expression->nodes) {
      if (node.input >= 0) node.input = moved[static_cast<std::size_t>(node.input)];
    }
  }
  for (Expression* expression : expressions) expression->inputs = all;
}

void add_condition(Identity& identity, Expression condition) {
  add_facts(condition, identity.facts);
  identity.conditions.push_back(std::move(condition));
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = std::min(text.find_first_not_of(kSpace), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

// One side of an identity, whose precondition is added to it.
Expression read_side(std::string_view text, std::string_view source, Identity& identity) {
  if (!is_fpcore(text)) return parse_expression(text, source);
  std::vector<Fpcore> cores = parse_fpcores({text, source});
  require(cores.size() == 1, "{}: expected one FPCore, got {}", source, cores.size());
  if (!cores[0].unsupported.empty()) throw Error(ErrorCode::kUnsupported, cores[0].unsupported);
  if (cores[0].condition) add_condition(identity, std::move(*cores[0].condition));
  return std::move(cores[0].body);
}

// "left = right" or "left = right ; condition, condition".
class LineReader {
 public:
  LineReader(SourceText source, std::size_t start, Identity& identity)
      : identity_(identity), parser_(source, builder_, start) {}

  void read() {
    const Id left = parser_.expression();
    parser_.expect("=");
    const Id right = parser_.expression();
    std::vector<Id> conditions;
    if (parser_.take(";")) {
      do {
        conditions.push_back(parser_.condition());
      } while (parser_.take(","));
    }
    parser_.expect_end();
    identity_.left = builder_.finish(left);
    identity_.right = builder_.finish(right);
    for (const Id condition : conditions) add_condition(identity_, builder_.finish(condition));
  }

 private:
  using Id = ExpressionBuilder::Id;

  Identity& identity_;
  ExpressionBuilder builder_;
  ExpressionParser parser_;
};

// Runs `read`; an identity that is beyond Lamina keeps the reason instead of its expressions.
template <class Read>
Identity reading(Identity identity, Read read) {
  try {
    read(identity);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    identity = {.name = identity.name,
                .group = identity.group,
                .text = identity.text,
                .unsupported = error.what()};
  }
  return identity;
}

std::vector<Identity> read_lines(std::string_view text, std::string_view source) {
  std::vector<Identity> identities;
  std::string group;
  int number = 1;
  for (std::size_t start = 0, end = 0; start < text.size(); start = end + 1, ++number) {
    end = std::min(text.find('\n', start), text.size());
    const std::string_view line = trimmed(text.substr(start, end - start));
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[' && line.back() == ']') {
      group = trimmed(line.substr(1, line.size() - 2));
      continue;
    }
    Identity identity;
    identity.name = fmt::format("line {}", number);
    identity.group = group;
    identity.text = line;
    const SourceText place{text.substr(0, end), source};
    identities.push_back(reading(std::move(identity),
                                 [&](Identity& each) { LineReader(place, start, each).read(); }));
  }
  return identities;
}

Identity of_cores(const Fpcore& left, const Expression& right, const Fpcore* other) {
  Identity identity;
  identity.name = left.name;
  identity.text = left.name;
  return reading(std::move(identity), [&](Identity& each) {
    each.left = left.body;
    each.right = right;
    for (const Fpcore* core : {&left, other}) {
      if (core == nullptr) continue;
      if (!core->unsupported.empty()) throw Error(ErrorCode::kUnsupported, core->unsupported);
      if (core->condition) add_condition(each, *core->condition);
    }
    share_inputs(each);
  });
}

std::vector<Identity> read_cores(std::string_view text, std::string_view source) {
  std::vector<Fpcore> cores = parse_fpcores({text, source});
  for (std::size_t i = 0; i < cores.size(); ++i) {
    if (cores[i].name.empty()) cores[i].name = fmt::format("FPCore {}", i + 1);
  }
  const bool pair =
      cores.size() == 2 && cores[0].alternatives.empty() && cores[1].alternatives.empty();
  if (pair) return {of_cores(cores[0], cores[1].body, &cores[1])};
  std::vector<Identity> identities;
  for (const Fpcore& core : cores) {
    for (const Expression& alternative : core.alternatives) {
      identities.push_back(of_cores(core, alternative, nullptr));
    }
    if (!core.alternatives.empty()) continue;
    Identity identity;
    identity.name = identity.text = core.name;
    identity.unsupported =
        core.unsupported.empty() ? "it has no :alt to compare with" : core.unsupported;
    identities.push_back(std::move(identity));
  }
  return identities;
}

bool is_claimed(const Identity& identity, const std::vector<Tensor>& inputs) {
  std::vector<double> point;
  for (const Tensor& input : inputs) point.push_back(input.to_doubles().at(0));
  return std::all_of(identity.conditions.begin(), identity.conditions.end(),
                     [&](const Expression& condition) { return holds(condition, point); });
}

}  // namespace

Identity parse_identity(std::string_view left, std::string_view right) {
  Identity identity;
  identity.text = fmt::format("{} = {}", trimmed(left), trimmed(right));
  identity.left = read_side(left, "first expression", identity);
  identity.right = read_side(right, "second expression", identity);
  share_inputs(identity);
  return identity;
}

std::vector<Identity> parse_identities(std::string_view text, std::string_view source) {
  return is_fpcore(text) ? read_cores(text, source) : read_lines(text, source);
}

void assume(Identity& identity, std::string_view input, const InputFacts& facts) {
  const auto& inputs = identity.left.inputs;
  if (std::find(inputs.begin(), inputs.end(), input) == inputs.end()) {
    fail(ErrorCode::kNotFound, "the identity has no variable '{}'", input);
  }
  add_fact(std::string(input), facts, identity.facts);
}

Verdict verify(const Identity& identity, const VerifyOptions& options) {
  Verdict verdict;
  if (!identity.unsupported.empty()) {
    verdict.outcome = Outcome::kUnsupported;
    verdict.reason = identity.unsupported;
    return verdict;
  }
  VerifyOptions with_facts = options;
  for (const auto& [input, fact] : identity.facts) add_fact(input, fact, with_facts.facts);
  const Graph left = to_graph(identity.left);
  const Graph right = to_graph(identity.right);
  // Points are drawn inside the facts, which may be less than the conditions.
  if (!identity.conditions.empty()) {
    with_facts.claims = [&](const std::vector<Tensor>& inputs) {
      return is_claimed(identity, inputs);
    };
  }
  return verify(left, right, with_facts);
}

}  // namespace lamina
