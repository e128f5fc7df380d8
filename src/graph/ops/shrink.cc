// shrink: x + bias below -lambda, x - bias above lambda, else 0; NaN gives 0.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Shrink {
  template <class T>
  static T apply(std::span<const T> x, const Attrs& attrs) {
    using num::less;
    using num::like;
    using num::select;
    const T lambda = like(x[0], attrs.real("lambda"));
    const T bias = like(x[0], attrs.real("bias"));
    const T above = select(less(lambda, x[0]), num::sub(x[0], bias), like(x[0], 0.0));
    return select(less(x[0], num::neg(lambda)), num::add(x[0], bias), above);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs& attrs) {
  return indicator(call("greater", {call("abs", {x}), number(x, attrs.real("lambda"))}), x);
}

}  // namespace

OpDef shrink() {
  return unary_float<Shrink>("shrink", chain<derivative>, real_samples,
                             {{"lambda", AttrKind::kReal, 0.5}, {"bias", AttrKind::kReal, 0.0}});
}

}  // namespace lamina::ops
