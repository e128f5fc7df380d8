// celu: max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) (arXiv:1704.07483).
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Celu {
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
    const T curve = num::mul(alpha, num::sub(exp(num::div(min(x[0], zero), alpha)), one));
    return select(less(x[0], zero), curve, x[0]);
  }
};

Expr derivative(const Expr& x, const Expr& y, const Attrs& attrs) {
  const double alpha = attrs.real("alpha");
  const Expr below = call("less", {x, number(x, 0.0)});
  return select(below, y / alpha + 1.0, number(x, 1.0));
}

}  // namespace

OpDef celu() {
  return unary_float<Celu>("celu", chain<derivative>, real_samples,
                           {{"alpha", AttrKind::kReal, 1.0}});
}

}  // namespace lamina::ops
