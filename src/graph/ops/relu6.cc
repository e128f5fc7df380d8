// relu6: x kept within [0, 6].
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Relu6 {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::like;
    using num::max;
    using num::min;
    return min(max(x[0], like(x[0], 0.0)), like(x[0], 6.0));
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) {
  const Expr above = call("greater", {x, number(x, 0.0)});
  const Expr below = call("less", {x, number(x, 6.0)});
  return indicator(call("logical_and", {above, below}), x);
}

}  // namespace

OpDef relu6() { return unary_number<Relu6>("relu6", chain<derivative>, real_samples); }

}  // namespace lamina::ops
