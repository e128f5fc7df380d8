// sin: sine of radians.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Sin {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::sin;
    return sin(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) { return call("cos", {x}); }

}  // namespace

OpDef sin() { return unary_float<Sin>("sin", chain<derivative>, real_samples); }

}  // namespace lamina::ops
