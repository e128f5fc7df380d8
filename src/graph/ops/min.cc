// min: the smaller of two, broadcast; NaN propagates. On ties the gradient goes to y.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Min {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::min;
    return min(x[0], x[1]);
  }
};

std::vector<Value> gradient(const GradientView& node) {
  const Expr g = grad_of(node);
  const Expr a = input_of(node, 0);
  const Expr b = input_of(node, 1);
  const Expr zero = number(g, 0.0);
  const Expr first = call("less", {a, b});
  return {sum_to(node, select(first, g, zero), 0), sum_to(node, select(first, zero, g), 1)};
}

}  // namespace

OpDef min() {
  OpDef op = binary_number<Min>("min", gradient, binary_samples);
  op.commutative = true;
  return op;
}

}  // namespace lamina::ops
