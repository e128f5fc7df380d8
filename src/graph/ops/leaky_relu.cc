// leaky_relu: x for x >= 0, else alpha * x.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct LeakyRelu {
  template <class T>
  static T apply(std::span<const T> x, const Attrs& attrs) {
    using num::less;
    using num::like;
    using num::select;
    const T zero = like(x[0], 0.0);
    const T slope = like(x[0], attrs.real("alpha"));
    return select(less(x[0], zero), num::mul(slope, x[0]), x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs& attrs) {
  const Expr below = call("less", {x, number(x, 0.0)});
  return select(below, number(x, attrs.real("alpha")), number(x, 1.0));
}

}  // namespace

OpDef leaky_relu() {
  return unary_float<LeakyRelu>("leaky_relu", chain<derivative>, real_samples,
                                {{"alpha", AttrKind::kReal, 0.01}});
}

}  // namespace lamina::ops
