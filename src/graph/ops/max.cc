// max: the larger of two, broadcast; NaN propagates. On ties the gradient goes to y.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Max {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::max;
    return max(x[0], x[1]);
  }
};

std::vector<Value> gradient(const GradientView& node) {
  const Expr g = grad_of(node);
  const Expr a = input_of(node, 0);
  const Expr b = input_of(node, 1);
  const Expr zero = number(g, 0.0);
  const Expr first = call("greater", {a, b});
  return {sum_to(node, select(first, g, zero), 0), sum_to(node, select(first, zero, g), 1)};
}

}  // namespace

OpDef max() {
  OpDef op = binary_number<Max>("max", gradient, binary_samples);
  op.commutative = true;
  return op;
}

}  // namespace lamina::ops
