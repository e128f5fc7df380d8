// elu: x for x >= 0, else alpha * (exp(x) - 1) (arXiv:1511.07289).
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Elu {
  template <class T>
  static T apply(std::span<const T> x, const Attrs& attrs) {
    using num::exp;
    using num::less;
    using num::like;
    using num::min;
    using num::select;
    const T zero = like(x[0], 0.0);
    const T one = like(x[0], 1.0);
    const T alpha = like(x[0], attrs.real("alpha"));
    const T curve = num::mul(alpha, num::sub(exp(min(x[0], zero)), one));
    return select(less(x[0], zero), curve, x[0]);
  }
};

Expr derivative(const Expr& x, const Expr& y, const Attrs& attrs) {
  const Expr below = call("less", {x, number(x, 0.0)});
  return select(below, y + attrs.real("alpha"), number(x, 1.0));
}

}  // namespace

OpDef elu() {
  return unary_float<Elu>("elu", chain<derivative>, real_samples,
                          {{"alpha", AttrKind::kReal, 1.0}});
}

}  // namespace lamina::ops
