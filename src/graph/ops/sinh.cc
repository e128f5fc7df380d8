// sinh: hyperbolic sine.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Sinh {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::sinh;
    return sinh(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) { return call("cosh", {x}); }

}  // namespace

OpDef sinh() { return unary_float<Sinh>("sinh", chain<derivative>, real_samples); }

}  // namespace lamina::ops
