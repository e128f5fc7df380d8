// selu: gamma * elu(x; alpha) with the constants of arXiv:1706.02515.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Selu {
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
    const T gamma = like(x[0], attrs.real("gamma"));
    const T curve = num::mul(alpha, num::sub(exp(min(x[0], zero)), one));
    return num::mul(gamma, select(less(x[0], zero), curve, x[0]));
  }
};

Expr derivative(const Expr& x, const Expr& y, const Attrs& attrs) {
  const double alpha = attrs.real("alpha");
  const double gamma = attrs.real("gamma");
  const Expr below = call("less", {x, number(x, 0.0)});
  return select(below, y + alpha * gamma, number(x, gamma));
}

}  // namespace

OpDef selu() {
  return unary_float<Selu>("selu", chain<derivative>, real_samples,
                           {{"alpha", AttrKind::kReal, 1.6732632423543772},
                            {"gamma", AttrKind::kReal, 1.0507009873554805}});
}

}  // namespace lamina::ops
