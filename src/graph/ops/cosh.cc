// cosh: hyperbolic cosine.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Cosh {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::cosh;
    return cosh(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) { return call("sinh", {x}); }

}  // namespace

OpDef cosh() { return unary_float<Cosh>("cosh", chain<derivative>, real_samples); }

}  // namespace lamina::ops
