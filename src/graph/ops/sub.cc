// sub: x - y, broadcast.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Sub {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    return num::sub(x[0], x[1]);
  }
};

std::vector<Value> gradient(const GradientView& node) {
  const Expr g = grad_of(node);
  return {sum_to(node, g, 0), sum_to(node, -g, 1)};
}

}  // namespace

OpDef sub() { return binary_number<Sub>("sub", gradient, binary_samples); }

}  // namespace lamina::ops
