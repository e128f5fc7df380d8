// Random expressions as trees, for tests: what is known of them, and how they read.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "graph/op_def.h"
#include "lamina/identity.h"
#include "verify/domains.h"

namespace lamina::verify_test {

struct Term {
  const OpDef* op = nullptr;  // null: an input or a constant
  std::int32_t input = -1;    // -1: a constant
  Rational constant;
  std::vector<Term> operands;

  bool operator==(const Term&) const = default;
  bool is(std::string_view name) const { return op != nullptr && op->name == name; }
  bool is_constant() const { return op == nullptr && input < 0; }
};

inline Term constant(std::int64_t numerator, std::int64_t denominator = 1) {
  return {nullptr, -1, {numerator, denominator}, {}};
}
inline Term variable(std::int32_t input) { return {nullptr, input, {}, {}}; }
inline Term call(std::string_view op, std::vector<Term> operands) {
  return {&find_op(op), -1, {}, std::move(operands)};
}

// The inputs of all random terms. The last ones are positive.
inline const std::vector<std::string> kInputs = {"x", "y", "z", "p", "q"};
constexpr std::int32_t kFirstPositive = 3;

inline Term to_term(const Expression& expression, std::size_t node) {
  const Expression::Node& from = expression.nodes[node];
  Term term{from.op, from.input, from.constant, {}};
  for (const std::int32_t operand : from.operands) {
    if (operand < 0) break;
    term.operands.push_back(to_term(expression, static_cast<std::size_t>(operand)));
  }
  return term;
}

inline std::int32_t append(const Term& term, Expression& expression) {
  Expression::Node node;
  node.op = term.op;
  node.input = term.input;
  node.constant = term.constant;
  for (std::size_t i = 0; i < term.operands.size(); ++i) {
    node.operands[i] = append(term.operands[i], expression);
  }
  expression.nodes.push_back(std::move(node));
  return static_cast<std::int32_t>(expression.nodes.size()) - 1;
}

inline std::string to_text(const Term& term) {
  static const std::map<std::string_view, std::string_view> kInfix = {
      {"add", "+"}, {"sub", "-"}, {"mul", "*"}, {"div", "/"}, {"pow", "^"}};
  if (term.input >= 0) return kInputs[static_cast<std::size_t>(term.input)];
  if (term.op == nullptr) {
    const auto [n, d] = term.constant;
    if (d != 1) return fmt::format("({}/{})", n, d);
    return n < 0 ? fmt::format("({})", n) : fmt::format("{}", n);
  }
  if (term.is("neg")) return fmt::format("(-{})", to_text(term.operands[0]));
  const auto infix = kInfix.find(term.op->name);
  if (infix != kInfix.end()) {
    return fmt::format("({} {} {})", to_text(term.operands[0]), infix->second,
                       to_text(term.operands[1]));
  }
  std::string list;
  for (const Term& operand : term.operands) list += (list.empty() ? "" : ", ") + to_text(operand);
  return fmt::format("{}({})", term.op->name, list);
}

inline void mark_inputs(const Term& term, std::vector<std::int32_t>& numbers) {
  if (term.input >= 0) numbers[static_cast<std::size_t>(term.input)] = 0;
  for (const Term& operand : term.operands) mark_inputs(operand, numbers);
}

// Over the inputs that take part.
inline Identity to_identity(const Term& left, const Term& right) {
  Identity identity;
  std::vector<std::int32_t> numbers(kInputs.size(), -1);
  mark_inputs(left, numbers);
  mark_inputs(right, numbers);
  for (std::size_t i = 0; i < kInputs.size(); ++i) {
    if (numbers[i] < 0) continue;
    numbers[i] = static_cast<std::int32_t>(identity.left.inputs.size());
    identity.left.inputs.push_back(kInputs[i]);
    if (i >= kFirstPositive) identity.facts[kInputs[i]].low = 0.0;
  }
  identity.right.inputs = identity.left.inputs;
  for (auto& [term, side] :
       {std::pair(&left, &identity.left), std::pair(&right, &identity.right)}) {
    append(*term, *side);
    for (Expression::Node& node : side->nodes) {
      if (node.input >= 0) node.input = numbers[static_cast<std::size_t>(node.input)];
    }
  }
  return identity;
}

inline std::vector<Interval> random_point(Rng& rng) {
  std::vector<Interval> point;
  for (std::size_t i = 0; i < kInputs.size(); ++i) {
    const double x = i < kFirstPositive ? rng.uniform(-2.0, 2.0) : rng.uniform(0.1, 2.0);
    point.push_back({x, x});
  }
  return point;
}

inline Interval enclose(const Term& term, const std::vector<Interval>& point) {
  if (term.input >= 0) return point[static_cast<std::size_t>(term.input)];
  const IntervalDomain domain;
  if (term.op == nullptr) {
    return domain.integer(term.constant.numerator) / domain.integer(term.constant.denominator);
  }
  std::vector<Interval> operands;
  for (const Term& operand : term.operands) operands.push_back(enclose(operand, point));
  return term.op->scalar.interval(operands, Attrs{});
}

inline bool bounded(const Interval& x) { return std::isfinite(x.low) && std::isfinite(x.high); }

// Proved at a random point.
inline bool certainly_nonzero(const Term& term, Rng& rng) {
  for (int attempt = 0; attempt < 4; ++attempt) {
    const Interval value = enclose(term, random_point(rng));
    if (bounded(value) && !value.contains(0.0)) return true;
  }
  return false;
}

inline bool certainly_different(const Term& a, const Term& b, Rng& rng) {
  for (int attempt = 0; attempt < 8; ++attempt) {
    const std::vector<Interval> point = random_point(rng);
    const Interval x = enclose(a, point);
    const Interval y = enclose(b, point);
    if (bounded(x) && bounded(y) && (x.high < y.low || y.high < x.low)) return true;
  }
  return false;
}

inline bool varies(const Term& term, Rng& rng) {
  for (int attempt = 0; attempt < 4; ++attempt) {
    const Interval x = enclose(term, random_point(rng));
    const Interval y = enclose(term, random_point(rng));
    if (bounded(x) && bounded(y) && (x.high < y.low || y.high < x.low)) return true;
  }
  return false;
}

// Whether no operand of a maximum is constant: which of two constants is the greater is known to
// some of their forms only.
inline bool branches_vary(const Term& term, Rng& rng) {
  const bool branch = term.is("max") || term.is("min") || term.is("abs");
  for (const Term& operand : term.operands) {
    if (branch && !varies(operand, rng)) return false;
    if (!branches_vary(operand, rng)) return false;
  }
  return true;
}

// What the fragment asks of a term.
struct Shape {
  bool valid = true;
  bool transcendental = false;  // exponentials or angles inside: it is no exponent
  bool branch = false;          // it is no divisor
  std::size_t size = 1;
  // Of a product of positive inputs their exponents, as multiples of 1/12.
  std::optional<std::map<std::int32_t, std::int64_t>> monomial;
};

constexpr std::int64_t kParts = 12;

// The monomial to the power n / d.
inline void raise(Shape& shape, std::int64_t n, std::int64_t d) {
  if (!shape.monomial) return;
  for (auto& [input, exponent] : *shape.monomial) {
    shape.valid = shape.valid && exponent * n % d == 0;
    exponent = exponent * n / d;
  }
}

inline Shape shape_of(const Term& term);

inline void note_power(Shape& shape, const Term& exponent) {
  const auto [n, d] = exponent.constant;
  shape.valid = shape.valid && exponent.is_constant() && std::abs(n) <= 12 &&
                (d == 1 || shape.monomial) && (n >= 0 || !shape.branch);
  raise(shape, n, d);
}

inline Shape shape_of(const Term& term) {
  Shape shape;
  if (term.op == nullptr) {
    if (term.input >= kFirstPositive) shape.monomial = {{term.input, kParts}};
    return shape;
  }
  std::vector<Shape> parts;
  for (const Term& operand : term.operands) {
    parts.push_back(shape_of(operand));
    const Shape& part = parts.back();
    shape.valid = shape.valid && part.valid;
    shape.transcendental = shape.transcendental || part.transcendental;
    shape.branch = shape.branch || part.branch;
    shape.size += part.size;
  }
  const std::string_view name = term.op->name;
  if (name == "mul" || name == "div") {
    if (name == "div") shape.valid = shape.valid && !parts[1].branch;
    if (!parts[0].monomial || !parts[1].monomial) return shape;
    shape.monomial = parts[0].monomial;
    for (const auto& [input, exponent] : *parts[1].monomial) {
      (*shape.monomial)[input] += name == "mul" ? exponent : -exponent;
    }
  } else if (name == "pow" || name == "sqrt" || name == "cbrt") {
    shape.monomial = parts[0].monomial;
    note_power(shape, name == "pow"    ? term.operands[1]
                      : name == "sqrt" ? constant(1, 2)
                                       : constant(1, 3));
  } else if (name == "max" || name == "min" || name == "abs") {
    // That an exponential is positive is known to some of its forms only.
    shape.valid = shape.valid && (name != "abs" || !shape.transcendental);
    shape.branch = true;
  } else if (name != "add" && name != "sub" && name != "neg") {
    shape.valid = shape.valid && !shape.transcendental;
    shape.transcendental = true;
  }
  return shape;
}

}  // namespace lamina::verify_test
