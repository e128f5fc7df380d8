// atanh: inverse hyperbolic tangent, for |x| < 1.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Atanh {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::atanh;
    return atanh(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) { return 1.0 / (1.0 - x * x); }

}  // namespace

OpDef atanh() { return unary_float<Atanh>("atanh", chain<derivative>, unit_samples); }

}  // namespace lamina::ops
