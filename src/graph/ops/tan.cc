// tan: tangent of radians.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Tan {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::tan;
    return tan(x[0]);
  }
};

Expr derivative(const Expr&, const Expr& y, const Attrs&) { return 1.0 + y * y; }

}  // namespace

OpDef tan() { return unary_float<Tan>("tan", chain<derivative>, unit_samples); }

}  // namespace lamina::ops
