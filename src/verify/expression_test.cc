// Expressions: grammar, exact constants, errors, and evaluation with and without a graph.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "graph/real_domain.h"
#include "lamina/identity.h"
#include "verify/domains.h"
#include "verify/evaluate_expression.h"
#include "verify/expression_builder.h"

using namespace lamina;

namespace {

double evaluate(const Expression& expression, const std::vector<double>& inputs) {
  RealDomain domain;
  std::vector<double> values;
  evaluate_nodes(expression, domain, std::span<const double>(inputs), values);
  return values.back();
}

double value(std::string_view text, const std::vector<double>& inputs = {}) {
  return evaluate(parse_expression(text), inputs);
}

Interval enclosed(const Expression& expression, const std::vector<double>& inputs) {
  IntervalDomain domain;
  std::vector<Interval> points;
  for (const double x : inputs) points.push_back({x, x});
  std::vector<Interval> values;
  evaluate_nodes(expression, domain, std::span<const Interval>(points), values);
  return values.back();
}

// By the interpreter of the reference device, on scalars.
double by_graph(const Expression& expression, const std::vector<double>& inputs) {
  const Graph graph = to_graph(expression);
  std::vector<Array<double>> arrays;
  for (const double x : inputs) arrays.push_back({DType::kF64, {}, {x}, {}, false});
  RealDomain domain;
  const auto result = Interpreter<RealDomain>(domain).run(graph, std::move(arrays), {});
  const Array<double>& out = result.outputs.at(0);
  return out.is_whole ? static_cast<double>(out.whole.at(0)) : out.real.at(0);
}

// What the error says, with the code 'i' or 'u' in front; "fine" if there is none.
std::string complaint(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    const bool unsupported = error.code() == ErrorCode::kUnsupported;
    CHECK((unsupported || error.code() == ErrorCode::kInvalidArgument));
    return (unsupported ? "u " : "i ") + std::string(error.what());
  }
  return "fine";
}

std::string complaint(std::string_view text) {
  return complaint([&] { parse_expression(text); });
}

}  // namespace

TEST_CASE("precedence and associativity") {
  CHECK(value("1 + 2*3 - 4/2") == 5);
  CHECK(value("2 - 3 - 4") == -5);
  CHECK(value("24/4/3") == 2);
  CHECK(value("-2^2") == -4);
  CHECK(value("(-2)^2") == 4);
  CHECK(value("2^-1") == 0.5);
  CHECK(value("2^3^2") == 512);
  CHECK(value("2**3") == 8);
  CHECK(value("- - +3") == 3);
  CHECK(value("(1 < 2) + (2 < 1)") == 1);
  CHECK(value("1 < x < 3", {2}) == 1);
  CHECK(value("1 < x < 3", {4}) == 0);
  CHECK(value("x != y", {1, 2}) == 1);
  CHECK(value("  max( x ,min(y,1) )\n", {0.5, 3}) == 1);
}

TEST_CASE("all functions of the table with numbers in and out, and abbreviations") {
  CHECK(value("sigmoid(x)", {0}) == 0.5);
  CHECK(value("select(x <= y, x, -y)", {2, 1}) == -1);
  CHECK(value("leaky_relu(x, alpha=0.5)", {-4}) == -2);
  CHECK(value("clamp(x, low=-1, high=1)", {-4}) == -1);
  CHECK(value("gelu(x, approximate=tanh)", {1}) != value("gelu(x)", {1}));
  CHECK(value("logical_and(x < 1, not(x < 0))", {0.5}) == 1);
  CHECK(value("-(x < 1)", {0}) == -1);
  CHECK(value("hypot(x, y)", {3, 4}) == 5);
  CHECK(value("cbrt(x)", {-27}) == doctest::Approx(-3));
  CHECK(value("pi") == doctest::Approx(3.141592653589793));
  CHECK(value("fma(x, y, z)", {2, 3, 4}) == 10);
  int callable = 0;
  for (const OpDef& op : all_ops()) {
    if (scalar_op(op.name) == nullptr) continue;
    ++callable;
    CHECK(op.kind == Kind::kElementwise);
  }
  CHECK(callable > 50);
  for (const char* name : {"cast", "sum", "matmul", "bit_and", "input", "constant", "softmax"}) {
    CHECK(scalar_op(name) == nullptr);
  }
}

TEST_CASE("constants are exact") {
  const auto constant = [](std::string_view text) {
    const Expression e = parse_expression(text);
    REQUIRE(e.nodes.size() == 1);
    return e.nodes[0].constant;
  };
  CHECK(constant("0.1") == Rational{1, 10});
  CHECK(constant("1.5e-3") == Rational{3, 2000});
  CHECK(constant("-2/6 + .5") == Rational{1, 6});
  CHECK(constant("3 - 3") == Rational{0, 1});
  CHECK(constant("9007199254740991") == Rational{9007199254740991, 1});
  // What does not fit stays arithmetic on constants that do.
  CHECK(value("9007199254740992") == 9007199254740992.0);
  CHECK(parse_expression("9007199254740992").nodes.size() > 1);
  CHECK(value("123456789012345678901234567890") == doctest::Approx(1.2345678901234568e29));
  CHECK(value("1e-300") == doctest::Approx(1e-300));
  CHECK(std::isnan(value("0/0")));
  // A sum that cancels to a small number keeps it.
  CHECK(constant("9007199254740991/9007199254740990 - 1") == Rational{1, 9007199254740990});
}

TEST_CASE("errors say what and where") {
  CHECK(complaint("") == "i expression:1:1: expected a number, a name or '(', got the end");
  CHECK(complaint("x +") == "i expression:1:4: expected a number, a name or '(', got the end");
  CHECK(complaint("(x") == "i expression:1:3: expected ')', got the end");
  CHECK(complaint("x y") == "i expression:1:3: expected an operator or the end, got 'y'");
  CHECK(complaint("2x") == "i expression:1:2: expected an operator or the end, got 'x'");
  CHECK(complaint("x\n + $") == "i expression:2:4: expected a number, a name or '(', got '$'");
  CHECK(complaint("1 + frob(x)") == "u expression:1:5: no function is called 'frob'");
  CHECK(complaint("exp") ==
        "i expression:1:1: 'exp' is a function and needs operands in parentheses");
  CHECK(complaint("exp(x, y)").starts_with("i expression:1:1: exp: expected 1 to 1 inputs, got 2"));
  CHECK(complaint("max()").starts_with("i expression:1:1: max: expected"));
  CHECK(complaint("hypot(x)").starts_with("i expression:1:1: hypot: too few operands"));
  CHECK(complaint("hypot(x, y, z)").starts_with("i expression:1:1: hypot: expected 2 operands"));
  CHECK(complaint("select(x, 1, 2)").find("expected a bool condition") != std::string::npos);
  CHECK(complaint("leaky_relu(x, beta=1)").find("unknown attribute 'beta'") != std::string::npos);
  CHECK(complaint("leaky_relu(alpha=1, x)").find("expected an attribute") != std::string::npos);
  CHECK(complaint("1e999999999999").find("too large") != std::string::npos);
  CHECK(complaint("1e401").find("at most") != std::string::npos);
  CHECK(complaint("=") != "fine");
}

TEST_CASE("depth, length and size are limited") {
  const std::string open(190, '(');
  const std::string close(190, ')');
  CHECK(complaint(open + "x" + close) == "fine");
  CHECK(complaint("sin" + open + open + "x" + close + close).find("at most 200 levels") !=
        std::string::npos);
  CHECK(complaint(std::string(100000, '(')) != "fine");
  CHECK(complaint(std::string(60000, '(')).find("at most 200 levels") != std::string::npos);
  CHECK(complaint(std::string(60000, '-') + "x").find("at most 200 levels") != std::string::npos);
  std::string towers = "x";
  for (int i = 0; i < 5000; ++i) towers += "^x";
  CHECK(complaint(towers).find("at most 200 levels") != std::string::npos);
  std::string sum = "x";
  for (int i = 0; i < 3000; ++i) sum += "+x";
  CHECK(value(sum, {1}) == 3001);
  for (int i = 0; i < 3000; ++i) sum += "+x";
  CHECK(complaint(sum).find("at most 4096 operations") != std::string::npos);
}

TEST_CASE("an expression and its graph have the same values, which lie in the intervals") {
  const std::vector<std::pair<std::string_view, std::vector<double>>> cases = {
      {"x", {0.3}},
      {"3", {}},
      {"1/3 + 0.1*x", {0.7}},
      {"(x + y)^2/(x - y)", {0.4, -1.5}},
      {"exp(-x^2/2)*cos(3*x) + tanh(y)", {0.4, 1.5}},
      {"select(x < y, sqrt(x^2 + 1), erf(y))", {0.4, 1.5}},
      {"select(x < y, sqrt(x^2 + 1), erf(y))", {1.4, 0.5}},
      {"(x < y) + 2*(x >= y)", {1.4, 0.5}},
      {"x < y", {1.4, 2.5}},
      {"silu(x)*gelu(y) + softplus(x*y) - mish(x)", {-1.4, 2.5}},
      {"pow(x, y) + x^0.3", {1.4, 2.5}},
      {"leaky_relu(x, alpha=0.25) + clamp(x, low=-1)", {-3.0}}};
  for (const auto& [text, inputs] : cases) {
    CAPTURE(text);
    const Expression expression = parse_expression(text);
    CHECK(evaluate(expression, inputs) == by_graph(expression, inputs));
    CHECK(enclosed(expression, inputs).contains(evaluate(expression, inputs)));
    CHECK_NOTHROW(validate(to_graph(expression)));
  }
}
