// tanh: hyperbolic tangent.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Tanh {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::tanh;
    return tanh(x[0]);
  }
};

Expr derivative(const Expr&, const Expr& y, const Attrs&) { return 1.0 - y * y; }

}  // namespace

OpDef tanh() { return unary_float<Tanh>("tanh", chain<derivative>, real_samples); }

}  // namespace lamina::ops
