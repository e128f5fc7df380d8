// softplus: log(1 + exp(x)), without overflow.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Softplus {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::softplus;
    return softplus(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) { return call("sigmoid", {x}); }

}  // namespace

OpDef softplus() { return unary_float<Softplus>("softplus", chain<derivative>, real_samples); }

}  // namespace lamina::ops
