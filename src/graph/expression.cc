// Expressions add nodes.
#include "graph/expression.h"

#include <vector>

namespace lamina {

Expr call(std::string_view op, std::initializer_list<Expr> inputs, Attrs attrs) {
  Graph& graph = *inputs.begin()->graph;
  return {&graph,
          graph.add(op, std::vector<Value>(inputs.begin(), inputs.end()), std::move(attrs))};
}

Expr number(const Expr& like, double value) {
  return {like.graph, like.graph->constant(value, like.graph->type(like).dtype)};
}

Expr operator+(const Expr& a, const Expr& b) { return call("add", {a, b}); }
Expr operator-(const Expr& a, const Expr& b) { return call("sub", {a, b}); }
Expr operator*(const Expr& a, const Expr& b) { return call("mul", {a, b}); }
Expr operator/(const Expr& a, const Expr& b) { return call("div", {a, b}); }
Expr operator-(const Expr& a) { return call("neg", {a}); }
Expr operator+(const Expr& a, double b) { return a + number(a, b); }
Expr operator-(const Expr& a, double b) { return a - number(a, b); }
Expr operator*(const Expr& a, double b) { return a * number(a, b); }
Expr operator/(const Expr& a, double b) { return a / number(a, b); }
Expr operator+(double a, const Expr& b) { return number(b, a) + b; }
Expr operator-(double a, const Expr& b) { return number(b, a) - b; }
Expr operator*(double a, const Expr& b) { return number(b, a) * b; }
Expr operator/(double a, const Expr& b) { return number(b, a) / b; }

Expr select(const Expr& condition, const Expr& a, const Expr& b) {
  return call("select", {condition, a, b});
}

Expr indicator(const Expr& condition, const Expr& like) {
  return select(condition, number(like, 1.0), number(like, 0.0));
}

}  // namespace lamina
