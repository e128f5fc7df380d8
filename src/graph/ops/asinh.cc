// asinh: inverse hyperbolic sine.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Asinh {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::asinh;
    return asinh(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) {
  return 1.0 / call("sqrt", {x * x + 1.0});
}

}  // namespace

OpDef asinh() { return unary_float<Asinh>("asinh", chain<derivative>, real_samples); }

}  // namespace lamina::ops
