// Reads the text form of graphs (grammar: docs/formats.md): recursive descent.
//
// Texts are hostile: their length, the number of nodes and the depth of nesting are limited.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "graph/named_node.h"
#include "graph/op_def.h"
#include "graph/text_form.h"
#include "graph/text_reader.h"

namespace lamina {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxNodes = std::size_t{1} << 21;
constexpr std::size_t kMaxInputs = std::size_t{1} << 15;
constexpr int kMaxDepth = 100;

// A graph under construction and what its names mean. Inner graphs do not see outer names.
struct Scope {
  Graph graph;
  std::map<std::string, Value, std::less<>> names;
};

// What an expression gives: a value, or a number whose dtype its user decides.
struct Operand {
  Value value;
  std::optional<double> literal;
  bool whole = false;              // the literal is written as an integer
  std::string inner_name;          // what inner graphs without a header call it
  const Token* inexact = nullptr;  // an integer that its literal, a double, is not
};

// Whether the digits of an integer are those of |value|.
bool is_exact(std::string_view digits, double value) {
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return digits == fmt::format("{:.0f}", std::fabs(value));
}

struct Call {
  const Token& token;  // for messages
  const OpDef* op = nullptr;
  std::vector<Operand> operands;
  Attrs attrs;
};

class Parser {
 public:
  explicit Parser(SourceText source) : in_(source), names_(in_.all_names()) {}

  Graph file() {
    version();
    Scope scope;
    if (const auto level = level_word()) scope.graph.level = *level;
    if (!in_.take_word("graph")) in_.error("expected 'graph'");
    scope.graph.name = in_.name("the name of the graph");
    if (in_.peek().is("[")) scope.graph.sizes = in_.sizes();
    inputs(scope);
    in_.expect("{");
    body(scope);
    if (in_.peek().kind != Token::Kind::kEnd) in_.error("expected nothing after the graph");
    return std::move(scope.graph);
  }

 private:
  // Declarations.

  void version() {
    if (!in_.take_word("lamina")) in_.error("expected 'lamina 1' at the start");
    const Token& token = in_.peek();
    const std::int64_t number = in_.integer();
    if (number == 1) return;
    in_.error_at(token, fmt::format("text form {} is unknown; this program reads 1", number),
                 ErrorCode::kUnsupported);
  }

  std::optional<Level> level_word() {
    if (in_.take_word("kernel")) return Level::kKernel;
    if (in_.take_word("block")) return Level::kBlock;
    if (in_.take_word("thread")) return Level::kThread;
    return std::nullopt;
  }

  // A role is a word before the name, so that inputs may be called "state" and "weight".
  Role role() {
    if (!in_.at_name(1)) return Role::kInput;
    if (in_.take_word("weight")) return Role::kWeight;
    if (in_.take_word("donated")) return Role::kDonated;
    if (in_.take_word("state")) return Role::kState;
    in_.error("expected weight, donated, state or the name of an input");
  }

  void declaration(Scope& scope) {
    const Role kind = role();
    const Token& token = in_.peek();
    const std::string& name = in_.name("the name of an input");
    in_.expect(":");
    Type type = in_.type();
    check_sizes(scope, token, type.shape);
    check_sizes(scope, token, type.strides);
    if (kind != Role::kState) {
      define(scope, token, scope.graph.add_input(name, std::move(type), kind));
      return;
    }
    const double initial = in_.take("=") ? in_.real() : 0.0;
    define(scope, token, scope.graph.add_state(name, std::move(type), initial));
  }

  void check_sizes(const Scope& scope, const Token& token, const Dims& dims) const {
    std::vector<std::string> used;
    for (const Dim& dim : dims) dim.collect_names(used);
    for (const std::string& size : used) {
      const auto& known = scope.graph.sizes;
      const bool declared = std::any_of(known.begin(), known.end(),
                                        [&](const SizeRange& range) { return range.name == size; });
      if (!declared) in_.error_at(token, fmt::format("size '{}' is not declared", size));
    }
  }

  void define(Scope& scope, const Token& token, Value value) const {
    check_count(scope, token);
    if (!scope.names.emplace(token.text, value).second) {
      in_.error_at(token, fmt::format("'{}' is defined twice", token.text));
    }
  }

  void check_count(const Scope& scope, const Token& token) const {
    if (scope.graph.nodes.size() > kMaxNodes) in_.error_at(token, "the graph has too many nodes");
    if (scope.graph.inputs.size() > kMaxInputs) {
      in_.error_at(token, "the graph has too many inputs");
    }
  }

  void inputs(Scope& scope) {
    in_.expect("(");
    if (in_.take(")")) return;
    do {
      declaration(scope);
    } while (in_.take(","));
    in_.expect(")");
  }

  // Statements.

  // After the opening brace.
  void body(Scope& scope) {
    while (!in_.take("}")) {
      if (in_.take_word("return")) {
        outputs(scope);
        in_.expect("}");
        return;
      }
      statement(scope);
    }
  }

  void outputs(Scope& scope) {
    do {
      const Token& token = in_.peek();
      const bool named = in_.at_name() && in_.peek(1).is("=");
      if (named) {
        in_.next();
        in_.next();
      }
      const std::size_t start = in_.position();
      const Value value = materialise(scope, expression(scope), {});
      const bool keeps_name = named || in_.read_one_name(start);
      std::string name = keeps_name ? token.text : scope.graph.node(value).name;
      for (const Output& other : scope.graph.outputs) {
        if (other.name == name) in_.error_at(token, fmt::format("two outputs are '{}'", name));
      }
      scope.graph.add_output(std::move(name), value);
    } while (in_.take(","));
  }

  void statement(Scope& scope) {
    if (in_.peek().is_word("state") && in_.at_name(1)) {
      declaration(scope);
    } else if (in_.peek(1).is("<-")) {
      update(scope);
    } else {
      assignment(scope);
    }
  }

  void update(Scope& scope) {
    const Token& token = in_.peek();
    in_.name("the name of a state");
    const Value state = lookup(scope, token);
    in_.expect("<-");
    const Input* input = scope.graph.input(state.node);
    if (input == nullptr || input->role != Role::kState) {
      in_.error_at(token, fmt::format("'{}' is not a state", token.text));
    }
    for (const Update& other : scope.graph.updates) {
      if (other.state == state.node) in_.error_at(token, "the state is updated twice");
    }
    const Value value = materialise(scope, expression(scope), scope.graph.type(state).dtype);
    if (scope.graph.type(value) != scope.graph.type(state)) {
      in_.error_at(token, fmt::format("the state is {}, its update is {}",
                                      to_string(scope.graph.type(state)),
                                      to_string(scope.graph.type(value))));
    }
    scope.graph.add_update(state, value);
  }

  struct Target {
    const Token& token;
    std::optional<Type> type;
  };

  void assignment(Scope& scope) {
    std::vector<Target> targets;
    do {
      const Token& token = in_.peek();
      in_.name("a statement, 'return' or '}'");
      targets.push_back({token, in_.take(":") ? std::optional<Type>(in_.type()) : std::nullopt});
    } while (in_.take(","));
    in_.expect("=");
    const std::size_t before = scope.graph.nodes.size();
    const Value value =
        materialise(scope, expression(scope),
                    targets[0].type ? std::optional<DType>(targets[0].type->dtype) : std::nullopt);
    // The statement names the node that it made; "y = x" only gives x a second name.
    const bool made = scope.graph.nodes.size() > before;
    Node& node = scope.graph.nodes[static_cast<std::size_t>(value.node)];
    if (made) node.name = targets[0].token.text;
    const std::size_t count = made ? node.types.size() : 1;
    if (targets.size() > count) {
      in_.error_at(targets[0].token, fmt::format("{} names for {} outputs", targets.size(), count));
    }
    for (std::size_t k = 0; k < targets.size(); ++k) {
      assign(scope, targets[k], {value.node, value.output + static_cast<std::int32_t>(k)});
    }
  }

  void assign(Scope& scope, const Target& target, Value value) const {
    const Type& type = scope.graph.type(value);
    if (target.type && *target.type != type) {
      in_.error_at(target.token,
                   fmt::format("'{}' is declared as {}, but it is {}", target.token.text,
                               to_string(*target.type), to_string(type)));
    }
    define(scope, target.token, value);
  }

  // The value that a name means; "a.1" is output 1 of a unless something has that very name.
  Value lookup(const Scope& scope, const Token& token) const {
    const std::string_view name = token.text;
    const auto found = scope.names.find(name);
    if (found != scope.names.end()) return found->second;
    const std::size_t dot = std::min(name.rfind('.'), name.size());
    const auto owner = scope.names.find(name.substr(0, dot));
    if (dot < name.size() && owner != scope.names.end() && owner->second.output == 0) {
      const auto count = static_cast<int>(scope.graph.node(owner->second).types.size());
      for (int k = 1; k < count; ++k) {
        if (name.substr(dot + 1) == std::to_string(k)) return {owner->second.node, k};
      }
    }
    in_.error_at(token, fmt::format("'{}' is not defined", name));
  }

  // Expressions.

  // Counts the levels of recursion.
  class Nesting {
   public:
    explicit Nesting(Parser& parser) : depth_(parser.depth_) {
      if (++depth_ > kMaxDepth) parser.in_.error("nested too deeply");
    }
    ~Nesting() { --depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    int& depth_;
  };

  Operand expression(Scope& scope) {
    Operand left = product(scope);
    while (in_.peek().is("+") || in_.peek().is("-")) {
      const Token& mark = in_.next();
      Call call{mark, &find_op(mark.is("+") ? "add" : "sub"), {left, product(scope)}, {}};
      left = apply(scope, std::move(call));
    }
    return left;
  }

  Operand product(Scope& scope) {
    Operand left = unary(scope);
    while (in_.peek().is("*") || in_.peek().is("/") || in_.peek().is("@")) {
      const Token& mark = in_.next();
      const char* op = mark.is("*") ? "mul" : mark.is("/") ? "div" : "matmul";
      left = apply(scope, {mark, &find_op(op), {left, unary(scope)}, {}});
    }
    return left;
  }

  Operand unary(Scope& scope) {
    const Nesting nesting(*this);
    const bool negative = in_.peek().is("-");
    if (in_.at_number(negative ? 1 : 0)) {
      const Token& token = in_.peek(negative ? 1 : 0);
      const bool whole = token.kind == Token::Kind::kInteger;
      const double value = in_.real();
      return {{}, value, whole, "", whole && !is_exact(token.text, value) ? &token : nullptr};
    }
    if (negative) {
      const Token& mark = in_.next();
      return apply(scope, {mark, &find_op("neg"), {unary(scope)}, {}});
    }
    if (in_.take("(")) {
      Operand inside = expression(scope);
      in_.expect(")");
      return inside;
    }
    const Token& token = in_.peek();
    in_.name("a value");
    if (in_.peek().is("(")) return call(scope, token);
    return {lookup(scope, token), std::nullopt, false, ""};
  }

  Operand call(Scope& scope, const Token& token) {
    Call call{token};
    for (const OpDef& row : all_ops()) {
      if (row.name == token.text) call.op = &row;
    }
    if (call.op == nullptr) {
      in_.error_at(token, fmt::format("no operator is called '{}'", token.text),
                   ErrorCode::kUnsupported);
    }
    in_.expect("(");
    if (!in_.take(")")) {
      do {
        argument(scope, call);
      } while (in_.take(","));
      in_.expect(")");
    }
    return apply(scope, std::move(call));
  }

  void argument(Scope& scope, Call& call) {
    const Token& token = in_.peek();
    if (in_.at_name() && in_.peek(1).is("=")) {
      in_.next();
      in_.next();
      if (call.attrs.has(token.text)) in_.error_at(token, "the attribute is given twice");
      Attr value = in_.attribute();
      if (const auto* dims = std::get_if<Dims>(&value)) check_sizes(scope, token, *dims);
      call.attrs.set(token.text, std::move(value));
      return;
    }
    if (!call.attrs.empty()) in_.error("expected an attribute: values come first");
    const std::size_t start = in_.position();
    Operand operand = expression(scope);
    if (in_.read_one_name(start)) operand.inner_name = token.text;
    if (in_.take_word("as")) operand.inner_name = in_.name("the name inside");
    call.operands.push_back(std::move(operand));
  }

  // Makes the constants of literal operands, parses the inner graphs, and adds the node.
  Operand apply(Scope& scope, Call call) {
    const std::optional<DType> dtype = operand_dtype(scope, call.operands);
    std::vector<Value> values;
    for (Operand& operand : call.operands) {
      operand.value = materialise(scope, operand, dtype);
      values.push_back(operand.value);
    }
    std::vector<Graph> graphs;
    while (at_region(*call.op, graphs.size())) graphs.push_back(region(scope.graph, call));
    const Value value = in_.located(call.token, [&] {
      return add_named(scope.graph, {.op = call.op,
                                     .name = fresh(call.op->name),
                                     .inputs = std::move(values),
                                     .attrs = std::move(call.attrs),
                                     .graphs = std::move(graphs)});
    });
    check_count(scope, call.token);
    return {value, std::nullopt, false, ""};
  }

  // The dtype that literals among the operands take: that of the others, booleans aside.
  static std::optional<DType> operand_dtype(const Scope& scope, std::span<const Operand> operands) {
    std::optional<DType> dtype;
    for (const Operand& operand : operands) {
      if (operand.literal) continue;
      const DType other = scope.graph.type(operand.value).dtype;
      if (other != DType::kBool) dtype = promote(dtype.value_or(other), other);
    }
    return dtype;
  }

  Value materialise(Scope& scope, const Operand& operand, std::optional<DType> dtype) {
    if (!operand.literal) return operand.value;
    DType chosen = dtype.value_or(DType::kF32);
    if (!traits(chosen).is_float && !operand.whole) chosen = DType::kF32;
    if (operand.inexact != nullptr && !traits(chosen).is_float) {
      in_.error_at(*operand.inexact, "constants are doubles, and none is this integer");
    }
    return add_named(scope.graph, {.op = &find_op("constant"),
                                   .name = fresh("constant"),
                                   .attrs = {{"value", *operand.literal}, {"dtype", chosen}}});
  }

  // A name for a node that the text does not name; no name of the text is taken.
  std::string fresh(std::string_view op) {
    std::string name(op);
    while (!names_.insert(name).second) name = fmt::format("{}_{}", op, ++fresh_count_);
    return name;
  }

  // Inner graphs.

  bool at_region(const OpDef& op, std::size_t index) {
    if (in_.peek().is("{")) return true;
    const std::string_view label = region_label(op, index);
    if (label.empty() || !in_.peek().is_word(label) || !in_.peek(1).is("{")) return false;
    in_.next();
    return true;
  }

  Graph region(const Graph& outer, const Call& call) {
    const Nesting nesting(*this);
    Scope scope;
    scope.graph.sizes = outer.sizes;
    scope.graph.level = inner_level(*call.op, outer.level);
    in_.expect("{");
    if (at_header()) {
      if (const auto level = level_word()) scope.graph.level = *level;
      if (in_.peek().is("[")) scope.graph.sizes = in_.sizes();
      inputs(scope);
    } else {
      passed_inputs(scope, outer, call);
    }
    body(scope);
    return std::move(scope.graph);
  }

  // No statement begins with "(", "[" or a word before them.
  bool at_header() const {
    const std::size_t ahead = in_.at_name() ? 1 : 0;
    return in_.peek(ahead).is("(") || in_.peek(ahead).is("[");
  }

  void passed_inputs(Scope& scope, const Graph& outer, const Call& call) {
    for (std::size_t i = first_passed_input(*call.op); i < call.operands.size(); ++i) {
      const Operand& operand = call.operands[i];
      if (operand.inner_name.empty()) {
        in_.error_at(call.token,
                     fmt::format("argument {} needs a name inside: write 'x as name'", i + 1));
      }
      Token token = call.token;
      token.text = operand.inner_name;
      define(scope, token, scope.graph.add_input(token.text, outer.type(operand.value)));
    }
  }

  TextReader in_;
  std::set<std::string, std::less<>> names_;  // all names in the text, and those of fresh nodes
  int depth_ = 0;
  int fresh_count_ = 0;
};

}  // namespace

Graph parse_graph(std::string_view text, std::string_view source) {
  require(text.size() <= kMaxBytes, "{}: a graph of {} bytes; at most {} are read", source,
          text.size(), kMaxBytes);
  return Parser({text, source}).file();
}

}  // namespace lamina
