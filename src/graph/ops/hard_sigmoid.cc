// hard_sigmoid: alpha * x + beta kept within [0, 1].
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct HardSigmoid {
  template <class T>
  static T apply(std::span<const T> x, const Attrs& attrs) {
    using num::like;
    using num::max;
    using num::min;
    const T alpha = like(x[0], attrs.real("alpha"));
    const T beta = like(x[0], attrs.real("beta"));
    const T line = num::add(num::mul(alpha, x[0]), beta);
    return max(like(x[0], 0.0), min(like(x[0], 1.0), line));
  }
};

Expr derivative(const Expr& x, const Expr& y, const Attrs& attrs) {
  const Expr above = call("greater", {y, number(y, 0.0)});
  const Expr below = call("less", {y, number(y, 1.0)});
  const Expr inside = call("logical_and", {above, below});
  return select(inside, number(x, attrs.real("alpha")), number(x, 0.0));
}

}  // namespace

OpDef hard_sigmoid() {
  return unary_float<HardSigmoid>(
      "hard_sigmoid", chain<derivative>, real_samples,
      {{"alpha", AttrKind::kReal, 0.2}, {"beta", AttrKind::kReal, 0.5}});
}

}  // namespace lamina::ops
