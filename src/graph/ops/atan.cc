// atan: inverse tangent.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Atan {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::atan;
    return atan(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) { return 1.0 / (1.0 + x * x); }

}  // namespace

OpDef atan() { return unary_float<Atan>("atan", chain<derivative>, real_samples); }

}  // namespace lamina::ops
