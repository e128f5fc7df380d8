// Expr: graph nodes written as arithmetic, for gradients and expansions.
#pragma once

#include <initializer_list>
#include <string_view>

#include "lamina/graph.h"

namespace lamina {

// A value of a graph under construction. Every operation adds a node to that graph; a number
// becomes a constant of the other operand's dtype.
struct Expr {
  Graph* graph;
  Value value;

  operator Value() const { return value; }  // NOLINT: an Expr is a Value that knows its graph
};

Expr operator+(const Expr& a, const Expr& b);
Expr operator-(const Expr& a, const Expr& b);
Expr operator*(const Expr& a, const Expr& b);
Expr operator/(const Expr& a, const Expr& b);
Expr operator-(const Expr& a);
Expr operator+(const Expr& a, double b);
Expr operator-(const Expr& a, double b);
Expr operator*(const Expr& a, double b);
Expr operator/(const Expr& a, double b);
Expr operator+(double a, const Expr& b);
Expr operator-(double a, const Expr& b);
Expr operator*(double a, const Expr& b);
Expr operator/(double a, const Expr& b);

// A constant of the dtype of `like`.
Expr number(const Expr& like, double value);
// The operator `op` applied to expressions of one graph.
Expr call(std::string_view op, std::initializer_list<Expr> inputs, Attrs attrs = {});
Expr select(const Expr& condition, const Expr& a, const Expr& b);
// 1 where the boolean `condition` holds, else 0, in the dtype of `like`.
Expr indicator(const Expr& condition, const Expr& like);

}  // namespace lamina
