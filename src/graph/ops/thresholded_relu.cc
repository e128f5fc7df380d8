// thresholded_relu: x where x > alpha, else 0; NaN stays.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct ThresholdedRelu {
  template <class T>
  static T apply(std::span<const T> x, const Attrs& attrs) {
    using num::equal;
    using num::less;
    using num::like;
    using num::max;
    using num::select;
    const T alpha = like(x[0], attrs.real("alpha"));
    const T small = max(less(x[0], alpha), equal(x[0], alpha));
    return select(small, like(x[0], 0.0), x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs& attrs) {
  return indicator(call("greater", {x, number(x, attrs.real("alpha"))}), x);
}

}  // namespace

OpDef thresholded_relu() {
  return unary_float<ThresholdedRelu>("thresholded_relu", chain<derivative>, real_samples,
                                      {{"alpha", AttrKind::kReal, 1.0}});
}

}  // namespace lamina::ops
