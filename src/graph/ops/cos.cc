// cos: cosine of radians.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Cos {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::cos;
    return cos(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) { return -call("sin", {x}); }

}  // namespace

OpDef cos() { return unary_float<Cos>("cos", chain<derivative>, real_samples); }

}  // namespace lamina::ops
